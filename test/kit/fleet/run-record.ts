/** What functions have written down themselves: who ran when. */
import { readFileSync } from "node:fs";

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Of the environment's pod. */
  readonly podUid: string;
  readonly pid: number;
  readonly beginMs: number;
  /** Infinity: it still runs, or was ended in the middle, nobody saw when. */
  readonly endMs: number;
}

interface Line {
  readonly what: "begin" | "end";
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly podUid: string;
  readonly pid: number;
  readonly atMs: number;
}

/** The machine's monotonic clock, which all processes share, ms. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** `endedAtMs`: when the process of a pod ended. */
export function readRuns(record: string, endedAtMs: ReadonlyMap<string, number> = new Map()): readonly Run[] {
  const ends = new Map<string, number[]>();
  const begins: Line[] = [];
  for (const text of readFileSync(record, "utf8").split("\n")) {
    if (text === "") continue;
    const line = JSON.parse(text) as Line;
    if (line.what === "begin") begins.push(line);
    else ends.set(`${line.pid} ${line.id}`, [...(ends.get(`${line.pid} ${line.id}`) ?? []), line.atMs]);
  }
  return begins.map(({ what: _what, atMs, ...run }) => {
    const endMs = ends.get(`${run.pid} ${run.id}`)?.shift() ?? endedAtMs.get(run.podUid) ?? Infinity;
    return { ...run, beginMs: atMs, endMs };
  });
}

export interface Peak {
  readonly most: number;
  /** When so many ran for the first time. */
  readonly atMs: number;
}

/** Most runs at one moment. One that never ended counts for the moment of its beginning only: its process was ended. */
export function mostAtOnce(runs: readonly Run[]): number {
  return peakOf(runs).most;
}

export function peakOf(runs: readonly Run[]): Peak {
  const steps = runs.flatMap(({ beginMs, endMs }) => [
    { atMs: beginMs, by: 1 },
    { atMs: endMs === Infinity ? beginMs : endMs, by: -1 },
  ]);
  steps.sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let now = 0;
  let peak: Peak = { most: 0, atMs: 0 };
  for (const { atMs, by } of steps) {
    now += by;
    if (now > peak.most) peak = { most: now, atMs };
  }
  return peak;
}
