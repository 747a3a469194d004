import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheDir, repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { sourceHash } from "../cluster/source-hash.ts";

const source = join(repositoryRoot, "test", "images", "static");

/** The static function of this folder for an architecture, built once. */
export async function buildStaticProgram(architecture: "amd64" | "arm64"): Promise<Buffer> {
  const target = join(cacheDir, "build", `static-function-${architecture}-${sourceHash([source])}`);
  if (!existsSync(target)) {
    mkdirSync(join(cacheDir, "build"), { recursive: true });
    const unfinished = `${target}.${process.pid}`;
    await run("go", ["build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", unfinished, "."], {
      cwd: source,
      env: { CGO_ENABLED: "0", GOARCH: architecture, GOWORK: "off" },
      timeoutMs: 300_000,
    });
    renameSync(unfinished, target);
  }
  return readFileSync(target);
}
