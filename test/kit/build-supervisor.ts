/** Builds the Go supervisor once for the sources as they are: .cache/supervisor/<hash of sources and compiler>/supervisor. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const sources = fileURLToPath(new URL("../../runtime-proxy/supervisor/", import.meta.url));
const cache = fileURLToPath(new URL("../../.cache/supervisor/", import.meta.url));
const buildDeadlineMs = 300_000;

/** Path of the static binary. `KUBELAMBDA_SUPERVISOR` names one that was built before. Fails with the compiler's words, or when there is no Go. */
export async function buildSupervisor(env: Readonly<NodeJS.ProcessEnv> = process.env): Promise<string> {
  const given = env["KUBELAMBDA_SUPERVISOR"];
  if (given !== undefined) return given;
  const folder = join(cache, await hashSources());
  const binary = join(folder, "supervisor");
  if (existsSync(binary)) return binary;
  await mkdir(folder, { recursive: true });
  // Two builds at once must not see each other's half-written file.
  const own = await mkdtemp(join(folder, "build-"));
  try {
    const built = join(own, "supervisor");
    await runGo(["build", "-trimpath", "-ldflags", "-s -w", "-o", built, "."], env);
    await rename(built, binary);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return binary;
}

async function hashSources(): Promise<string> {
  const hash = createHash("sha256").update(await runGo(["version"], process.env));
  const names = (await readdir(sources)).filter((name) => /(\.go|^go\.(mod|sum))$/.test(name)).sort();
  for (const name of names.filter((name) => !name.endsWith("_test.go"))) {
    hash.update(`\0${name}\0`).update(await readFile(join(sources, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function runGo(args: readonly string[], env: Readonly<NodeJS.ProcessEnv>): Promise<string> {
  try {
    const options = { cwd: sources, env: { ...env, CGO_ENABLED: "0" }, timeout: buildDeadlineMs };
    return (await run("go", args, options)).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`Cannot build supervisor: no "go" in PATH, right is Go 1.24 or newer`, { cause: error });
  }
}
