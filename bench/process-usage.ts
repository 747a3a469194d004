/** What processes use, as the kernel says. Linux only. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** CPU time, user and system, of all threads of these processes since their starts, ms. Processes that are gone count nothing. */
export function cpuMs(pids: Iterable<number>): number {
  let ticks = 0;
  for (const pid of pids) ticks += cpuTicks(pid);
  return (ticks * 1000) / ticksPerSecond();
}

/** Bytes of memory that no other process shares: Private_Clean + Private_Dirty of smaps_rollup. */
export function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const sizes = [...rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].map(([, kibibytes]) =>
    Number(kibibytes),
  );
  if (sizes.length !== 2) throw new Error(`Cannot read the memory of process ${pid}: ${rollup.slice(0, 200)}`);
  return sizes.reduce((sum, kibibytes) => sum + kibibytes * 1024, 0);
}

/** Children and theirs, of all threads: the Go runtime forks from any. */
export function descendants(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"));
    const children = lists.join(" ").split(/\s+/).filter(Boolean).map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

/** Fields 14 and 15, counted after the command, which may hold spaces and brackets. Source: proc_pid_stat(5). */
function cpuTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}

let knownTicksPerSecond: number | undefined;

function ticksPerSecond(): number {
  knownTicksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return knownTicksPerSecond;
}
