import { LoadGenerator } from "./load.ts";
import type { Comparison, Reading } from "./comparison.ts";
import type { BenchContext } from "./context.ts";
import { cpuMs } from "./process-usage.ts";
import { shuffled } from "./seeded-random.ts";
import { quantile } from "./statistics.ts";
import type { System } from "./systems/system.ts";

export interface CallComparison {
  readonly title: string;
  /** The subject first. */
  readonly systems: readonly System[];
  readonly connections: number;
  readonly notes: readonly string[];
  /** Further figures of a system after a round. */
  readonly readMore?: (system: System) => Reading;
}

interface Contender {
  readonly system: System;
  readonly load: LoadGenerator;
}

const body = JSON.stringify({ name: "Ada" });
const answer = JSON.stringify({ greeting: "Hello, Ada" });
/** Before each round, not counted: the system before has left the caches to itself. */
const leadInMs = 100;

/** The same calls to systems that are there and warm, in rounds of shuffled order: latency, throughput, CPU time by process. */
export async function compareCalls(
  context: BenchContext,
  { title, systems, connections, notes, readMore }: CallComparison,
): Promise<Comparison> {
  const { rounds, roundMs, warmUpMs, draw, progress } = context;
  progress(`${title}: ${rounds} rounds of ${systems.length} × ${roundMs} ms …`);
  const contenders = systems.map((system) => ({
    system,
    load: new LoadGenerator({ ...system, body, answer }, connections),
  }));
  const measured: Record<string, Reading>[] = [];
  try {
    for (const { load } of contenders) await load.run(warmUpMs);
    for (let round = 0; round < rounds; round += 1) {
      const readings: Record<string, Reading> = {};
      for (const contender of shuffled(contenders, draw)) {
        const { system } = contender;
        readings[system.name] = { ...(await measure(contender, roundMs)), ...readMore?.(system) };
      }
      measured.push(readings);
    }
  } finally {
    await Promise.all(contenders.map(({ load }) => load.close()));
  }
  const [subject = "", ...baselines] = systems.map(({ name }) => name);
  return {
    title,
    subject,
    baselines,
    metrics: ["p50 ms", "p99 ms", "calls/s", "CPU ms/call"],
    rounds: measured,
    notes: [...notes, describeRoles(measured)],
  };
}

async function measure({ system, load }: Contender, roundMs: number): Promise<Reading> {
  await load.run(leadInMs);
  const pidsByRole = Object.entries(system.pidsByRole());
  const before = pidsByRole.map(([, pids]) => cpuMs(pids));
  const { latenciesMs, elapsedMs } = await load.run(roundMs);
  const calls = latenciesMs.length;
  const spent = pidsByRole.map(([role, pids], i) => [role, (cpuMs(pids) - (before[i] ?? 0)) / calls] as const);
  return {
    "p50 ms": quantile(latenciesMs, 0.5),
    "p99 ms": quantile(latenciesMs, 0.99),
    "calls/s": (calls * 1000) / elapsedMs,
    "CPU ms/call": spent.reduce((sum, [, ms]) => sum + ms, 0),
    ...Object.fromEntries(spent.map(([role, ms]) => [rolePrefix + role, ms])),
  };
}

const rolePrefix = "CPU ms/call of ";

function describeRoles(rounds: readonly Readonly<Record<string, Reading>>[]): string {
  const systems = Object.keys(rounds[0] ?? {}).sort();
  const parts = systems.map((system) => {
    const metrics = Object.keys(rounds[0]?.[system] ?? {}).filter((metric) => metric.startsWith(rolePrefix));
    const shares = metrics.map((metric) => {
      const values = rounds.map((round) => round[system]?.[metric] ?? 0);
      return `${metric.slice(rolePrefix.length)} ${quantile(values, 0.5).toFixed(3)}`;
    });
    return `${system}: ${shares.join(" + ")}`;
  });
  return `CPU ms/call by process: ${parts.join("; ")}`;
}
