import { build, stop } from "esbuild";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const entryPoint = fileURLToPath(new URL("../../runtime-proxy/agent.ts", import.meta.url));

/** Bundles the agent as the image has it (scripts/build.ts), from the sources as they are now; returns the file. */
export async function bundleAgent(folder: string): Promise<string> {
  const outfile = join(folder, "agent.cjs");
  await build({
    entryPoints: [entryPoint],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    footer: { js: "module.exports.agentMain(process.env);" },
  });
  // Its service would run, and be counted among the busy, for as long as this process.
  await stop();
  return outfile;
}
