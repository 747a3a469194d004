/** Emits dist/: JavaScript of every process, and one CommonJS bundle each for what starts in every pod. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { buildSupervisor } from "../test/kit/build-supervisor.ts";

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
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
    footer: { js: `void module.exports.${name}Main(process.env);` },
  });
}
cpSync(await buildSupervisor(), "dist/pod/supervisor");
chmodSync("dist/pod/supervisor", 0o555);
