/** Which processes are the function's: children of children, also those that left their session and their parents. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A variable with this name and a value of its own marks every process of one supervisor that is not alone in its namespace. */
export const markName = "_KUBELAMBDA_SUPERVISOR";

export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly isEnded: boolean;
  /** Whether its first environment holds the mark. */
  readonly isMarked: () => boolean;
}

/** Living processes that are marked or have `ancestor` above them. Pure, given what was seen. */
export function selectOwn(seen: readonly SeenProcess[], ancestor: number): number[] {
  const children = Map.groupBy(seen, ({ parent }) => parent);
  const own = new Set<SeenProcess>();
  const include = (process: SeenProcess): void => {
    if (own.has(process) || process.pid === ancestor) return;
    own.add(process);
    children.get(process.pid)?.forEach(include);
  };
  children.get(ancestor)?.forEach(include);
  for (const process of seen) if (!own.has(process) && !process.isEnded && process.isMarked()) include(process);
  return [...own].filter(({ isEnded }) => !isEnded).map(({ pid }) => pid);
}

/** Every process of the machine or namespace: from /proc, elsewhere from `ps`. */
export function seeProcesses(mark: string): SeenProcess[] {
  return process.platform === "linux" ? seeProc(mark) : seePs(mark);
}

function seeProc(mark: string): SeenProcess[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = readNow(`/proc/${name}/stat`);
    // The name in brackets may hold spaces and brackets itself.
    const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (parent === "") return [];
    const isMarked = (): boolean => readNow(`/proc/${name}/environ`).includes(mark);
    return [{ pid: Number(name), parent: Number(parent), isEnded: "ZX".includes(state), isMarked }];
  });
}

const psDeadlineMs = 5_000;
const psMaxBytes = 64 * 1024 * 1024;

function seePs(mark: string): SeenProcess[] {
  const options = { encoding: "utf8", timeout: psDeadlineMs, maxBuffer: psMaxBytes } as const;
  const ps = spawnSync("ps", ["-axEww", "-o", "pid=,ppid=,state=,command="], options);
  return ps.stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)/.exec(line) ?? [];
    if (pid === undefined || Number(pid) === ps.pid) return [];
    const isMarked = (): boolean => line.includes(mark);
    return [{ pid: Number(pid), parent: Number(parent), isEnded: state.startsWith("Z"), isMarked }];
  });
}

/** Resident memory of these processes together, bytes: now, and the sum of their own peaks. 0 where there is no /proc. */
export function readMemory(pids: readonly number[]): { currentBytes: number; peakBytes: number } {
  let [currentBytes, peakBytes] = [0, 0];
  for (const pid of pids) {
    const status = readNow(`/proc/${pid}/status`);
    currentBytes += kilobytes(status, /^VmRSS:\s+(\d+) kB$/m);
    peakBytes += kilobytes(status, /^VmHWM:\s+(\d+) kB$/m);
  }
  return { currentBytes, peakBytes };
}

function kilobytes(status: string, line: RegExp): number {
  return 1024 * Number(line.exec(status)?.[1] ?? 0);
}

/** "" for what is gone or not ours to read. */
function readNow(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
