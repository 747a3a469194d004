/** Emits dist/: JavaScript of every process, and one CommonJS bundle each for what starts in every pod. Types are `npm run check`'s. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { buildSupervisor } from "../test/kit/build-supervisor.ts";

/** What the emitted JavaScript reads at run time and tsc does not know. */
const assets = ["local/runtimes", "local/isolate.sh"];

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json", "--noCheck"], { stdio: "inherit" });
for (const asset of assets) cpSync(asset, `dist/${asset}`, { recursive: true });
mkdirSync("dist/pod", { recursive: true });
for (const name of ["agent", "assemble"]) {
  await build({
    entryPoints: [`runtime-proxy/${name}.ts`],
    outfile: `dist/pod/${name}.cjs`,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    footer: { js: `module.exports.${name}Main(process.env).catch(${String(endWithError)});` },
  });
}

cpSync(await buildSupervisor(), "dist/pod/supervisor");
chmodSync("dist/pod/supervisor", 0o555);

/** Says why instead of showing the bundle's one long line. */
function endWithError(error: Error): void {
  process.stderr.write(`${String(error.stack ?? error)}\n`);
  process.exit(1);
}
