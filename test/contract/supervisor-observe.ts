/** What the machine says about processes, for tests that must not believe the supervisor. Linux. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { SupervisorAgent } from "./supervisor-agent.ts";

const deadlineMs = 15_000;
const lookAgainMs = 5;
const restMs = 500;

/** Looks until it is so; fails at the deadline. */
export async function reaches(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`Cannot see that ${what}: ${deadlineMs} ms are over`);
    await pause(lookAgainMs);
  }
}

/** The number at which a count has stayed for a while. */
export async function comesToRest(count: () => number): Promise<number> {
  const end = performance.now() + deadlineMs;
  let last = count();
  let since = performance.now();
  while (performance.now() - since < restMs) {
    await pause(lookAgainMs);
    if (performance.now() > end) throw new Error(`Cannot see a count at rest: it is ${last} and moves`);
    const now = count();
    if (now !== last) since = performance.now();
    last = now;
  }
  return last;
}

/** One letter of /proc: R S D T Z…; undefined when there is no such process. */
export function stateOf(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

/** Name of the program that a process is by now. */
export function programOf(pid: number): string | undefined {
  return readIfThere(`/proc/${pid}/comm`)?.trim();
}

/** A zombie is not alive: it waits for a parent outside the supervisor's reach. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}

/** Living processes whose environment holds the text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && readIfThere(`/proc/${name}/environ`)?.includes(text) === true)
    .map(Number)
    .filter(isAlive);
}

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Waits until a process has printed that many process ids. */
export async function pidsPrinted(agent: SupervisorAgent, process: number, count: number): Promise<number[]> {
  return agent.waitFor(`${count} process ids`, () => {
    const pids = agent.output(process).toString().split("\n").slice(0, -1).map(Number);
    return pids.length >= count ? pids : undefined;
  });
}

/** Resident memory of a process. */
export function residentBytes(pid: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
