/** Processes that tests started and did not end. Whatever a test starts names its temporary folder, in its variables or its arguments. */
import { readdirSync, readFileSync } from "node:fs";

export interface LeftoverProcess {
  readonly pid: number;
  /** Its arguments, the first 300 characters. */
  readonly command: string;
}

const lookEveryMs = 50;

/** Those that are still there after so long: what was killed just now takes a moment to go. */
export async function leftoverProcesses(folder: string, patienceMs: number): Promise<readonly LeftoverProcess[]> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    const found = processesOf(folder);
    if (found.length === 0 || performance.now() > untilMs) return found;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

function processesOf(folder: string): readonly LeftoverProcess[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.flatMap((pid) => {
    const command = read(pid, "cmdline");
    const isOurs = pid !== process.pid && (command.includes(folder) || read(pid, "environ").includes(folder));
    return isOurs ? [{ pid, command: command.replaceAll("\0", " ").trim().slice(0, 300) }] : [];
  });
}

/** Empty when it has gone, and of a process of another user. */
function read(pid: number, file: "cmdline" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
