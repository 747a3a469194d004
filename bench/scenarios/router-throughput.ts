import { cpus } from "node:os";
import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { cpuMs } from "../process-usage.ts";
import { RawLoad, type RawTarget } from "../raw-load.ts";
import { shuffled } from "../seeded-random.ts";
import { quantile } from "../statistics.ts";
import { startBareProxyTo } from "../systems/bare.ts";
import { event, eventAnswer, startNoopWorld, type NoopWorld } from "../systems/noop-world.ts";
import { keepOn } from "../systems/pinned.ts";

interface Contender {
  readonly name: string;
  readonly load: RawLoad;
  readonly pids: readonly number[];
  /** Cores that it may use. */
  readonly cores: number;
}

const environments = 32;
const connections = 32;
const leadInMs = 200;
const subject = "router";
const metrics = ["calls/s", "CPU ms/call", "calls/s by CPU time", "p50 ms"];

/** What one core of router carries, and whether a second replica carries as much again. */
export const routerThroughput: Scenario = {
  summary: "the router alone before environments that do nothing, against a bare Node proxy, and two routers",
  async run(context) {
    const hasCores = cpus().length > 1;
    // The one under test has core 0 for itself; what drives it and what is behind it share core 1.
    const release = hasCores ? keepOn([1]) : () => undefined;
    try {
      return [await oneCore(context, hasCores), await twoRouters(context, hasCores)];
    } finally {
      release();
    }
  },
};

async function oneCore(context: BenchContext, hasCores: boolean): Promise<Comparison> {
  const pins = hasCores ? { coreOf: () => 0, core: 1 } : {};
  const world = await startNoopWorld(context, { routers: 1, environments, ...pins });
  const bare = await startBareProxyTo(context.processes, world.environmentsPort, hasCores ? 0 : undefined);
  const contenders = [
    contenderOf(subject, [world.target(0, "bench")], [world.routers[0]?.pid ?? 0]),
    contenderOf("bare proxy", [{ ...bare, path: "/", body: event, answer: eventAnswer }], [bare.pid]),
  ];
  const title = "throughput of one core";
  try {
    const rounds = await measure(context, title, contenders);
    return { title, subject, baselines: ["bare proxy"], metrics, rounds, notes: notes(hasCores) };
  } finally {
    for (const { load } of contenders) load.close();
    await bare.end();
    await world.end();
  }
}

async function twoRouters(context: BenchContext, hasCores: boolean): Promise<Comparison> {
  const title = "two routers, one account";
  const name = "two routers";
  const start = (routers: number): Promise<NoopWorld> =>
    startNoopWorld(context, { routers, environments, ...(hasCores && { coreOf: (i) => i % cpus().length, core: 1 }) });
  const worlds = [await start(2), await start(1)];
  const contenders = worlds.map((world) => {
    const targets = world.routers.map((_, i) => world.target(i, "bench"));
    const pids = world.routers.map(({ pid }) => pid);
    return contenderOf(pids.length === 2 ? name : subject, targets, pids);
  });
  try {
    const rounds = await measure(context, title, contenders);
    const told = [
      "every second call is taken by the router that does not own the account, and asks the owner",
      "by CPU time: what the routers' cores would carry if nothing else ran on them",
    ];
    return { title, subject: name, baselines: [subject], metrics, rounds, notes: told };
  } finally {
    for (const { load } of contenders) load.close();
    for (const world of worlds) await world.end();
  }
}

function contenderOf(name: string, targets: readonly RawTarget[], pids: readonly number[]): Contender {
  return { name, load: new RawLoad(targets, connections), pids, cores: pids.length };
}

async function measure(
  { rounds, roundMs, warmUpMs, draw, progress }: BenchContext,
  title: string,
  contenders: readonly Contender[],
): Promise<readonly Record<string, Reading>[]> {
  progress(`${title}: ${rounds} rounds of ${contenders.length} × ${roundMs} ms …`);
  for (const { load } of contenders) await load.closed(warmUpMs);
  const measured: Record<string, Reading>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const readings: Record<string, Reading> = {};
    for (const contender of shuffled(contenders, draw)) readings[contender.name] = await read(contender, roundMs);
    measured.push(readings);
  }
  return measured;
}

async function read({ name, load, pids, cores }: Contender, roundMs: number): Promise<Reading> {
  await load.closed(leadInMs);
  const before = cpuMs(pids);
  const { latenciesMs, elapsedMs, errors } = await load.closed(roundMs);
  if (errors.length > 0) throw new Error(`Cannot measure ${name}: ${errors[0] ?? ""}`);
  const cpuMsPerCall = (cpuMs(pids) - before) / latenciesMs.length;
  return {
    "calls/s": (latenciesMs.length * 1000) / elapsedMs,
    "CPU ms/call": cpuMsPerCall,
    "calls/s by CPU time": (cores * 1000) / cpuMsPerCall,
    "p50 ms": quantile(latenciesMs, 0.5),
  };
}

function notes(hasCores: boolean): string[] {
  const where = hasCores
    ? "router and proxy run on core 0 alone, the environments and the load generator on core 1"
    : "one core for everything: calls/s tell little";
  return [
    where,
    `${connections} connections; the environments' process answers both of them at once, with the same payload`,
  ];
}
