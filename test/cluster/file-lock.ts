import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Runs the action while no other process holds the same file's lock. A holder that dies lets go: the kernel sees to it.
 * Fails when the lock is not free within the time, ms.
 */
export async function withFileLock<T>(file: string, timeoutMs: number, action: () => Promise<T>): Promise<T> {
  // flock holds the lock as long as `cat` has our end of the pipe open.
  const seconds = String(Math.ceil(timeoutMs / 1000));
  const holder = spawn("flock", ["--timeout", seconds, file, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const exited = once(holder, "exit").catch((cause: unknown) => {
    throw new Error('Cannot start "flock": install the Debian package util-linux', { cause });
  });
  const outcome = await Promise.race([
    once(holder.stdout, "data").then(() => "locked" as const),
    exited.then(() => "refused" as const),
  ]);
  if (outcome === "refused") throw new Error(`Cannot lock "${file}": another process has held it for ${seconds} s`);
  try {
    return await action();
  } finally {
    holder.stdin.end();
    await exited;
  }
}
