import { cpus } from "node:os";
import type { Comparison, Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { measureRaw, rawMetrics, type RawContender } from "../raw-comparison.ts";
import { startBareProxyTo, type RunningProxy } from "../systems/bare.ts";
import { event, eventAnswer, startNoopWorld, type NoopWorld } from "../systems/noop-world.ts";
import { keepOn } from "../systems/pinned.ts";

const environments = 32;
const connections = 32;
const subject = "router";
const byCpuTime = "calls/s by CPU time";
const metrics = [...rawMetrics, byCpuTime];

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
  const title = "throughput of one core";
  let bare: RunningProxy | undefined;
  try {
    bare = await startBareProxyTo(context.processes, world.environmentsPort, hasCores ? 0 : undefined);
    const { host, port, pid } = bare;
    const targets = [{ host, port, path: "/", body: event, answer: eventAnswer }];
    const contenders = [routersOf(world, subject), { name: "bare proxy", targets, pids: () => [pid] }];
    const rounds = withCpuTime(await measureRaw(context, { title, contenders, connections }), { [subject]: 1 });
    return { title, subject, baselines: ["bare proxy"], metrics, rounds, notes: notes(hasCores) };
  } finally {
    await bare?.end();
    await world.end();
  }
}

async function twoRouters(context: BenchContext, hasCores: boolean): Promise<Comparison> {
  const title = "two routers, one account";
  const [together, apart] = ["two routers", "two apart"];
  const worlds: NoopWorld[] = [];
  const start = async (routers: number, firstCore: number): Promise<NoopWorld> => {
    const pins = hasCores ? { coreOf: (i: number) => (firstCore + i) % cpus().length, core: 1 } : {};
    const world = await startNoopWorld(context, { routers, environments: routers * environments, ...pins });
    worlds.push(world);
    return world;
  };
  const contender = (name: string, of: readonly NoopWorld[]): RawContender => ({
    name,
    targets: of.flatMap((world) => world.routers.map((_, i) => world.target(i, "bench"))),
    pids: () => of.flatMap(({ routers }) => routers.map(({ pid }) => pid)),
    connections: of.flatMap(({ routers }) => routers).length * connections,
  });
  try {
    const contenders = [
      contender(together, [await start(2, 0)]),
      contender(apart, [await start(1, 0), await start(1, 1)]),
      contender(subject, [await start(1, 0)]),
    ];
    const measured = await measureRaw(context, { title, contenders, connections });
    const notes = [
      `${connections} connections to each router, each of which may have an environment at once`,
      `${together}: every second call is taken by the router that does not own the account`,
      `${apart}: each owns an account of its own, so that none asks another: what two such processes make of these cores`,
      "by CPU time: what the routers' cores would carry if nothing else ran on them",
    ];
    return {
      ...{ title, subject: together, baselines: [apart, subject], metrics, notes },
      rounds: withCpuTime(measured, { [together]: 2, [apart]: 2, [subject]: 1 }),
    };
  } finally {
    for (const world of worlds) await world.end();
  }
}

function routersOf(world: NoopWorld, name: string): RawContender {
  return {
    name,
    targets: world.routers.map((_, i) => world.target(i, "bench")),
    pids: () => world.routers.map(({ pid }) => pid),
  };
}

/** `coresBySystem`: absent counts as one. */
function withCpuTime(
  rounds: readonly Record<string, Reading>[],
  coresBySystem: Readonly<Record<string, number>>,
): readonly Record<string, Reading>[] {
  return rounds.map((round) =>
    Object.fromEntries(
      Object.entries(round).map(([system, reading]) => {
        const callsOfCores = ((coresBySystem[system] ?? 1) * 1000) / (reading["CPU ms/call"] ?? NaN);
        return [system, { ...reading, [byCpuTime]: callsOfCores }];
      }),
    ),
  );
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
