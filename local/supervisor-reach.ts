/** Which processes are the function's: children of children, also those that left their session and their parents. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** A variable with this name and a value of its own marks every process of one supervisor that is not alone in its namespace. */
export const markName = "_KUBELAMBDA_SUPERVISOR";

export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly isEnded: boolean;
  /** Also one that waits for a process that it is just making. */
  readonly isStopped: boolean;
  /** Whether its first environment holds the mark; undefined when it cannot be told: it may be just changing its program. */
  readonly isMarked: boolean | undefined;
}

/** Those that are marked or have an ancestor above them; `ancestors` may hold what was found before. */
export function selectOwn(seen: readonly SeenProcess[], ancestors: ReadonlySet<number>): SeenProcess[] {
  const children = Map.groupBy(seen, ({ parent }) => parent);
  const own = new Set<SeenProcess>();
  const include = (process: SeenProcess): void => {
    if (own.has(process)) return;
    own.add(process);
    children.get(process.pid)?.forEach(include);
  };
  for (const process of seen) if (process.isMarked === true || ancestors.has(process.parent)) include(process);
  return [...own];
}

/**
 * Looks for the function's processes again and again, for a few seconds. Each look after the first passes over what is known to be
 * others', or processes that live a millisecond would be gone before they are looked at.
 */
export class Census {
  readonly #mark: string;
  readonly #ancestors: Set<number>;
  readonly #foreign = new Set<number>();
  /** Whether all that the last look found stood still: who does not may be in the middle of making another. */
  areStopped = false;

  constructor(mark: string, ancestor: number) {
    this.#mark = mark;
    this.#ancestors = new Set([ancestor]);
    this.#foreign.add(ancestor);
  }

  /** Living ones, newest first. `onMarked` hears of a marked one at once: at the look's end it may have gone on to the next. */
  look(onMarked: (pid: number) => void = () => undefined): number[] {
    const seen = seeProcesses(this.#mark, this.#foreign, onMarked);
    const own = selectOwn(seen, this.#ancestors);
    for (const { pid } of own) this.#ancestors.add(pid);
    for (const { pid, isMarked } of seen) if (isMarked === false && !this.#ancestors.has(pid)) this.#foreign.add(pid);
    const living = own.filter(({ isEnded }) => !isEnded);
    this.areStopped = living.every(({ isStopped }) => isStopped);
    return living.map(({ pid }) => pid);
  }
}

/** Every process of the machine or namespace but some, newest first: from /proc, elsewhere from `ps`. */
export function seeProcesses(
  mark: string,
  except: ReadonlySet<number>,
  onMarked: (pid: number) => void = () => undefined,
): SeenProcess[] {
  return process.platform === "linux" ? seeProc(mark, except, onMarked) : seePs(mark, except);
}

function seeProc(mark: string, except: ReadonlySet<number>, onMarked: (pid: number) => void): SeenProcess[] {
  const pids = readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && !except.has(pid));
  return pids
    .sort((a, b) => b - a)
    .flatMap((pid) => {
      // First of all what is gone soonest.
      const environment = readNow(`/proc/${pid}/environ`);
      const holdsMark = environment?.includes(mark) ?? false;
      if (holdsMark) onMarked(pid);
      const stat = readNow(`/proc/${pid}/stat`) ?? "";
      // The name in brackets may hold spaces and brackets itself.
      const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (parent === "") return [];
      const isOfKernel = pid === kernelThreads || Number(parent) === kernelThreads;
      const isMarked = environment === "" && !isOfKernel ? undefined : holdsMark;
      return [
        { pid, parent: Number(parent), isEnded: "ZX".includes(state), isStopped: "TtD".includes(state), isMarked },
      ];
    });
}

/** Parent of the kernel's own threads, which have no environment and never will. */
const kernelThreads = 2;

const psDeadlineMs = 5_000;
const psMaxBytes = 64 * 1024 * 1024;

function seePs(mark: string, except: ReadonlySet<number>): SeenProcess[] {
  const options = { encoding: "utf8", timeout: psDeadlineMs, maxBuffer: psMaxBytes } as const;
  const ps = spawnSync("ps", ["-axEww", "-o", "pid=,ppid=,state=,command="], options);
  return ps.stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)/.exec(line) ?? [];
    if (pid === undefined || Number(pid) === ps.pid || except.has(Number(pid))) return [];
    const isEnded = state.startsWith("Z");
    const isStopped = /^[TD]/.test(state);
    return [{ pid: Number(pid), parent: Number(parent), isEnded, isStopped, isMarked: line.includes(mark) }];
  });
}

/** The newest process id of the namespace; undefined where there is no /proc. Source: proc(5), loadavg. */
export function lastProcessId(): number | undefined {
  const last = readNow("/proc/loadavg")?.trim().split(" ")[4];
  return last === undefined ? undefined : Number(last);
}

/** Resident memory of these processes together, bytes: now, and the sum of their own peaks. 0 where there is no /proc. */
export function readMemory(pids: readonly number[]): { currentBytes: number; peakBytes: number } {
  let [currentBytes, peakBytes] = [0, 0];
  for (const pid of pids) {
    const status = readNow(`/proc/${pid}/status`) ?? "";
    currentBytes += kilobytes(status, /^VmRSS:\s+(\d+) kB$/m);
    peakBytes += kilobytes(status, /^VmHWM:\s+(\d+) kB$/m);
  }
  return { currentBytes, peakBytes };
}

function kilobytes(status: string, line: RegExp): number {
  return 1024 * Number(line.exec(status)?.[1] ?? 0);
}

/** undefined for what is gone or not ours to read. */
function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
