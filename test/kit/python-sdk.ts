/** The AWS SDK for Python, pinned, in the cache: fetched from PyPI when it is not there. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { cacheDir } from "../cluster/paths.ts";
import { withFileLock } from "../cluster/file-lock.ts";
import { run } from "../cluster/run.ts";

const packages = ["boto3==1.43.11", "botocore==1.43.11"];
const directory = join(cacheDir, `python-sdk-${packages[0]?.split("==")[1] ?? ""}`);

/** Folder for PYTHONPATH with boto3 and botocore. */
export async function pythonSdk(): Promise<string> {
  if (existsSync(directory)) return directory;
  await mkdir(cacheDir, { recursive: true });
  await withFileLock(join(cacheDir, "python-sdk.lock"), 5 * 60_000, async () => {
    if (existsSync(directory)) return;
    const unfinished = `${directory}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", unfinished];
    await run("python3", [...pip, ...packages], { timeoutMs: 240_000 });
    await rename(unfinished, directory);
  });
  return directory;
}

/** Runs a script with the SDK; resolves with what it printed, rejects with what it complained of. */
export async function runPython(
  script: string,
  { input = "", env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const child = spawn("python3", ["-c", script], {
    env: {
      PATH: process.env["PATH"],
      PYTHONPATH: await pythonSdk(),
      PYTHONDONTWRITEBYTECODE: "1",
      HOME: "/nonexistent",
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 60_000,
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [output, complaint, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0) throw new Error(`Cannot run the script: status ${status}: ${complaint}`);
  return output;
}
