import type { Reading } from "./comparison.ts";
import type { BenchContext } from "./context.ts";
import { cpuMs } from "./process-usage.ts";
import { RawLoad, type RawTarget } from "./raw-load.ts";
import { shuffled } from "./seeded-random.ts";
import { quantile } from "./statistics.ts";

/** Something under load over bare sockets. */
export interface RawContender {
  readonly name: string;
  readonly targets: readonly RawTarget[];
  /** Whose CPU time counts. */
  readonly pids: () => readonly number[];
  /** Default: as many as the others. */
  readonly connections?: number;
}

export interface RawComparison {
  readonly title: string;
  readonly contenders: readonly RawContender[];
  readonly connections: number;
}

const leadInMs = 200;
export const rawMetrics: readonly string[] = ["p50 ms", "p99 ms", "calls/s", "CPU ms/call"];

/** The same load on all, in rounds of shuffled order; an error ends the measurement. */
export async function measureRaw(
  { rounds, roundMs, warmUpMs, draw, progress }: BenchContext,
  { title, contenders, connections }: RawComparison,
): Promise<readonly Record<string, Reading>[]> {
  progress(`${title}: ${rounds} rounds of ${contenders.length} × ${roundMs} ms …`);
  const loaded = contenders.map((contender) => {
    return { contender, load: new RawLoad(contender.targets, contender.connections ?? connections) };
  });
  const measured: Record<string, Reading>[] = [];
  try {
    for (const { load } of loaded) await load.closed(warmUpMs);
    for (let round = 0; round < rounds; round += 1) {
      const readings: Record<string, Reading> = {};
      for (const { contender, load } of shuffled(loaded, draw)) {
        await load.closed(leadInMs);
        readings[contender.name] = await readRound(contender, load, roundMs);
      }
      measured.push(readings);
    }
    return measured;
  } finally {
    for (const { load } of loaded) load.close();
  }
}

async function readRound({ name, pids }: RawContender, load: RawLoad, roundMs: number): Promise<Reading> {
  const before = cpuMs(pids());
  const { latenciesMs, elapsedMs, errors } = await load.closed(roundMs);
  if (errors.length > 0) throw new Error(`Cannot measure ${name}: ${errors[0] ?? ""}`);
  return {
    "p50 ms": quantile(latenciesMs, 0.5),
    "p99 ms": quantile(latenciesMs, 0.99),
    "calls/s": (latenciesMs.length * 1000) / elapsedMs,
    "CPU ms/call": (cpuMs(pids()) - before) / latenciesMs.length,
  };
}
