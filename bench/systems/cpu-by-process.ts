/** CPU time of everything that a benchmark runs, by what it is. Linux only. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { cpuMs, descendants } from "../process-usage.ts";

/** Name → ms of CPU since its start: the processes below this one, and this one as `own`. */
export function cpuByProcess(own: string): ReadonlyMap<string, number> {
  const byName = new Map([[own, cpuMs([process.pid])]]);
  for (const pid of descendants(process.pid)) {
    const name = nameOf(pid);
    byName.set(name, (byName.get(name) ?? 0) + cpuMs([pid]));
  }
  return byName;
}

/** `etcd 1.20 + kube-apiserver 8.31`: what each took more than before, for each of `count`; the dearest first. */
export function cpuShares(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  count: number,
): string {
  return [...after]
    .map(([name, ms]) => ({ name, each: (ms - (before.get(name) ?? 0)) / count }))
    .filter(({ each }) => each >= 0.01)
    .sort((a, b) => b.each - a.each)
    .map(({ name, each }) => `${name} ${each.toFixed(2)}`)
    .join(" + ");
}

/** The program, or the part that one of several programs in one plays. */
function nameOf(pid: number): string {
  const words = readCommand(pid);
  const named = words.find((word) => /^kube-\w+$/.test(word)) ?? words.find((word) => word.endsWith(".cjs"));
  return basename(named ?? words[0] ?? "gone", ".cjs").replace(/-process$/, "");
}

function readCommand(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
  } catch {
    return [];
  }
}
