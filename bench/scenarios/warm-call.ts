import { compareCalls } from "../call-comparison.ts";
import type { Comparison } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { startBareProxy } from "../systems/bare.ts";
import { startEmulators } from "../systems/emulator.ts";
import { startKubelambda } from "../systems/kubelambda.ts";
import type { System } from "../systems/system.ts";

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
    const title = `warm call, ${connections} ${connections === 1 ? "connection" : "connections"}`;
    return await compareCalls(context, { title, systems, connections, notes: notes(connections) });
  } finally {
    await Promise.all(systems.map((system) => system.end()));
  }
}

function notes(connections: number): string[] {
  if (connections === 1) return [];
  return [
    `an emulator has one execution environment and runs one call at a time: there are ${connections} of them, one for each connection, without a router`,
    "the bare server is one process for all connections",
  ];
}
