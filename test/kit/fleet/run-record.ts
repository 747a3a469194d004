/** What functions have written down themselves: who ran when. */
import { readFileSync } from "node:fs";

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly beginMs: number;
  /** Infinity: it was ended in the middle, or still runs. */
  readonly endMs: number;
}

interface Line {
  readonly what: "begin" | "end";
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly atMs: number;
}

export function readRuns(record: string): readonly Run[] {
  const lines = readFileSync(record, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
  return lines.flatMap((line, at) => {
    if (line.what !== "begin") return [];
    const end = lines.slice(at).find(({ what, id, pid }) => what === "end" && id === line.id && pid === line.pid);
    const { id, name, version, pid, atMs } = line;
    return [{ id, name, version, pid, beginMs: atMs, endMs: end?.atMs ?? Infinity }];
  });
}

/** Most runs at one moment. One that never ended counts for the moment of its beginning only: its process was ended. */
export function mostAtOnce(runs: readonly Run[]): number {
  const steps = runs.flatMap(({ beginMs, endMs }) => [
    { atMs: beginMs, by: 1 },
    { atMs: endMs === Infinity ? beginMs : endMs, by: -1 },
  ]);
  steps.sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let now = 0;
  return steps.reduce((most, { by }) => Math.max(most, (now += by)), 0);
}
