import type { Comparison } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { hasOwnNetwork } from "../own-network.ts";
import { measureRaw, rawMetrics, type RawContender } from "../raw-comparison.ts";
import type { RawTarget } from "../raw-load.ts";
import { buildGoProgram } from "../../test/cluster/go-program.ts";
import { buildSupervisor } from "../../test/kit/build-supervisor.ts";
import { startBareProxyTo, startBareServer, type RunningProxy } from "../systems/bare.ts";
import { goProxy, queueProxy } from "../systems/go-programs.ts";
import { startGoProxy, startQueueProxy } from "../systems/hops.ts";
import { startLoneAgent } from "../systems/lone-agent.ts";
import { prepareNodeRuntime } from "../systems/node-runtime.ts";
import { event, eventAnswer, startNoopWorld } from "../systems/noop-world.ts";
import type { System } from "../systems/system.ts";

/** What each hop of ours costs, against what others put in that place. */
export const hopCall: Scenario = {
  summary: "router alone and agent alone against Knative's queue-proxy, a bare Go and a bare Node proxy",
  async prepare(context) {
    await buildGoProgram(queueProxy, context.progress);
    await buildGoProgram(goProxy, context.progress);
    await Promise.all([buildSupervisor(), prepareNodeRuntime(context)]);
  },
  async run(context) {
    if (!hasOwnNetwork()) context.progress("No network of its own (root?): queue-proxy listens on all addresses");
    const comparisons: Comparison[] = [];
    for (const connections of context.connections) comparisons.push(await routerHop(context, connections));
    comparisons.push(await agentHop(context));
    return comparisons;
  },
};

/** Everything before the same process, which answers at once. */
async function routerHop(context: BenchContext, connections: number): Promise<Comparison> {
  const world = await startNoopWorld(context, { routers: 1, environments: connections });
  const proxies: RunningProxy[] = [];
  const title = `one hop, ${connections} ${connections === 1 ? "connection" : "connections"}`;
  try {
    const router = { name: "router", targets: [world.target(0, "bench")], pids: () => [world.routers[0]?.pid ?? 0] };
    const others = await startProxies(context, world.environmentsPort, proxies);
    const contenders = [router, ...others.map((other) => proxyContender(other, other.name))];
    const rounds = await measureRaw(context, { title, contenders, connections });
    const baselines = others.map(({ name }) => name);
    const notes = ["behind all of them the same process, which answers at once; CPU time is the hop's alone"];
    return { title, subject: "router", baselines, metrics: rawMetrics, rounds, notes };
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.end()));
    await world.end();
  }
}

type NamedProxy = RunningProxy & { readonly name: string };

async function startProxies(
  context: BenchContext,
  port: number,
  started: RunningProxy[],
): Promise<readonly NamedProxy[]> {
  const starts: Readonly<Record<string, () => Promise<RunningProxy>>> = {
    "queue-proxy": () => startQueueProxy(context, port),
    "bare Go proxy": () => startGoProxy(context, port),
    "bare proxy": () => startBareProxyTo(context.processes, port),
  };
  const named: NamedProxy[] = [];
  for (const [name, start] of Object.entries(starts)) {
    const proxy = await start();
    started.push(proxy);
    named.push({ ...proxy, name });
  }
  return named;
}

function proxyContender({ host, port, pid }: RunningProxy, name: string): RawContender {
  return { name, targets: [{ host, port, path: "/", body: event, answer: eventAnswer }], pids: () => [pid] };
}

/** The agent before a runtime, queue-proxy before a bare server: both run the same function. */
async function agentHop(context: BenchContext): Promise<Comparison> {
  const title = "one hop before the function";
  const agent = await startLoneAgent(context, "agent");
  const ends: (() => Promise<void>)[] = [() => agent.end()];
  try {
    const server = await startBareServer(context.processes);
    ends.push(() => server.end());
    const queue = await startQueueProxy(context, server.port);
    ends.push(() => queue.end());
    const contenders = [
      { name: "agent", targets: [targetOf(agent)], pids: () => agent.pidsByRole()["agent"] ?? [] },
      {
        name: "agent and supervisor",
        targets: [targetOf(agent)],
        pids: () => [...(agent.pidsByRole()["agent"] ?? []), ...(agent.pidsByRole()["supervisor"] ?? [])],
      },
      proxyContender(queue, "queue-proxy"),
    ];
    const rounds = await measureRaw(context, { title, contenders, connections: 1 });
    const notes = [
      "CPU time is the hop's alone; latencies have the function in them: a runtime client behind the agent, a bare Node server behind queue-proxy",
    ];
    return {
      ...{ title, subject: "agent", baselines: ["queue-proxy", "agent and supervisor"] },
      ...{ metrics: rawMetrics, rounds, notes },
    };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

function targetOf({ origins, path, headers }: System): RawTarget {
  const { hostname, port } = new URL(origins[0] ?? "");
  return {
    ...{ host: hostname, port: Number(port), path, body: event, answer: eventAnswer },
    ...(headers !== undefined && { headers }),
  };
}
