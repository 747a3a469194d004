/** The Lambda runtime interface emulator, as the wheel of aws-sam-cli carries it: .cache/bench/<wheel>/samcli/local/rapid/. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const wheel = "aws-sam-cli==1.170.0";
const cache = fileURLToPath(new URL("../../.cache/bench", import.meta.url));
const installLimitMs = 300_000;

/** Path of the program, fetched from PyPI unless the cache has it. */
export async function findEmulator(progress: (line: string) => void): Promise<string> {
  const name = `aws-lambda-rie-${process.arch === "arm64" ? "arm64" : "x86_64"}`;
  const folder = join(cache, wheel);
  const binary = join(folder, "samcli/local/rapid", name);
  if (existsSync(binary)) return binary;
  progress(`Fetching ${wheel} (once) …`);
  const unfinished = `${folder}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  try {
    const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", unfinished];
    await run("python3", [...pip, wheel], { timeout: installLimitMs });
    const [file] = (await readdir(unfinished)).filter((entry) => entry.endsWith(".whl"));
    if (file === undefined) throw new Error(`Cannot use ${wheel}: pip fetched no wheel`);
    await run("python3", ["-m", "zipfile", "-e", join(unfinished, file), unfinished], { timeout: installLimitMs });
    await chmod(join(unfinished, "samcli/local/rapid", name), 0o755);
    await rm(join(unfinished, file));
    if (!existsSync(folder)) await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return binary;
}
