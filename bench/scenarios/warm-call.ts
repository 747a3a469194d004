import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { LoadGenerator } from "../load.ts";
import { cpuMs } from "../process-usage.ts";
import { shuffled } from "../seeded-random.ts";
import { quantile } from "../statistics.ts";
import { startBareProxy } from "../systems/bare.ts";
import { startEmulators } from "../systems/emulator.ts";
import { startKubelambda } from "../systems/kubelambda.ts";
import type { System } from "../systems/system.ts";

interface Contender {
  readonly system: System;
  readonly load: LoadGenerator;
}

const body = JSON.stringify({ name: "Ada" });
const answer = JSON.stringify({ greeting: "Hello, Ada" });
/** Before each round, not counted: the system before has left the caches to itself. */
const leadInMs = 100;

/** A call to an environment that is there, over kept connections. */
export const warmCall: Scenario = {
  summary: "warm call through router and agent against a bare Node proxy and the runtime interface emulator",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const connections of context.connections) comparisons.push(await measureConnections(context, connections));
    return comparisons;
  },
};

/** Systems of its own for each number of connections: as many execution environments, each as warm as the others. */
async function measureConnections(context: BenchContext, connections: number): Promise<Comparison> {
  const systems: System[] = [];
  try {
    context.progress(`Starting ${connections} execution environments and ${connections} emulators …`);
    systems.push(await startKubelambda(context, connections));
    systems.push(await startBareProxy(context.processes));
    systems.push(await startEmulators(context, connections));
    return await compare(context, systems, connections);
  } finally {
    await Promise.all(systems.map((system) => system.end()));
  }
}

async function compare(context: BenchContext, systems: readonly System[], connections: number): Promise<Comparison> {
  const { rounds, roundMs, warmUpMs, draw, progress } = context;
  progress(`Warm call, ${connections} connections: ${rounds} rounds of ${systems.length} × ${roundMs} ms …`);
  const contenders = systems.map((system) => ({
    system,
    load: new LoadGenerator({ origins: system.origins, path: system.path, body, answer }, connections),
  }));
  const measured: Record<string, Reading>[] = [];
  try {
    for (const { load } of contenders) await load.run(warmUpMs);
    for (let round = 0; round < rounds; round += 1) {
      const readings: Record<string, Reading> = {};
      for (const contender of shuffled(contenders, draw)) {
        readings[contender.system.name] = await measure(contender, roundMs);
      }
      measured.push(readings);
    }
  } finally {
    await Promise.all(contenders.map(({ load }) => load.close()));
  }
  const [subject = "", ...baselines] = systems.map(({ name }) => name);
  return {
    title: `warm call, ${connections} ${connections === 1 ? "connection" : "connections"}`,
    subject,
    baselines,
    metrics: ["p50 ms", "p99 ms", "calls/s", "CPU ms/call"],
    rounds: measured,
    notes: [...notes(connections), describeRoles(measured)],
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

function notes(connections: number): string[] {
  if (connections === 1) return [];
  return [
    `an emulator has one execution environment and runs one call at a time: there are ${connections} of them, one for each connection, without a router`,
    "the bare server is one process for all connections",
  ];
}
