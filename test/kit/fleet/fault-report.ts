/** A run's record in words. */
import type { FaultRecord } from "./fault-run.ts";
import { kindOf, type Held } from "./fleet-judge.ts";
import type { LoadCall } from "./fleet-load.ts";

export interface FaultReport {
  readonly calls: readonly LoadCall[];
  readonly held: readonly Held[];
  readonly records: readonly FaultRecord[];
}

/** Calls by how they ended; most at once against each limit; for every fault how long it took to recover, and how long nobody got an answer. */
export function reportText({ calls, held, records }: FaultReport): string {
  const kinds = countBy(calls.map(kindOf));
  const names = [...new Set(records.map(({ name }) => name))];
  return [
    `calls: ${calls.length}`,
    ...kinds.map(([kind, count]) => `  ${String(count).padStart(7)} ${kind}`),
    "most at once:",
    ...held.map(({ what, most, limit }) => `  ${String(most).padStart(7)} of ${limit}: ${what}`),
    "faults (times; recovery p50 and longest, longest time without an answer to anybody, seconds; calls served meanwhile):",
    ...names.map((name) =>
      lineOf(
        name,
        records.filter((record) => record.name === name),
      ),
    ),
  ].join("\n");
}

function lineOf(name: string, records: readonly FaultRecord[]): string {
  const recovery = records.map(({ recoveredAfterMs }) => recoveredAfterMs).sort((a, b) => a - b);
  const gap = Math.max(...records.map(({ longestGapMs }) => longestGapMs));
  const served = records.reduce((sum, record) => sum + record.served, 0);
  const figures = [recovery[Math.floor((recovery.length - 1) / 2)] ?? 0, recovery.at(-1) ?? 0, gap].map((ms) =>
    (ms / 1000).toFixed(1).padStart(6),
  );
  return `  ${String(records.length).padStart(4)} ${figures.join(" ")} ${String(served).padStart(7)}  ${name}`;
}

function countBy(words: readonly string[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}
