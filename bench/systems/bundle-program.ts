import { build, stop } from "esbuild";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Bundles a program of this folder, so that it starts and rests as emitted JavaScript does; returns the file. */
export async function bundleProgram(name: string, folder: string): Promise<string> {
  const outfile = join(folder, `${name}.cjs`);
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    logLevel: "warning",
  });
  // Its service would be counted among the busy.
  await stop();
  return outfile;
}
