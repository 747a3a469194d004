import { compareCalls } from "../call-comparison.ts";
import type { Comparison } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { benchUrlPath, startKubelambda } from "../systems/kubelambda.ts";
import type { System } from "../systems/system.ts";

/** What a function URL costs more than Invoke: an event is made of the request, and the answer is read. */
export const urlCall: Scenario = {
  summary: "warm call through a function URL against the same call through the Invoke API",
  async run(context) {
    const comparisons: Comparison[] = [];
    for (const connections of context.connections) comparisons.push(await measureConnections(context, connections));
    return comparisons;
  },
};

/** The same router and environments serve both. */
async function measureConnections(context: BenchContext, connections: number): Promise<Comparison> {
  const invoke = await startKubelambda(context, connections);
  const url: System = { ...invoke, name: "function URL", path: benchUrlPath, end: () => Promise.resolve() };
  try {
    const title = `function URL, ${connections} ${connections === 1 ? "connection" : "connections"}`;
    return await compareCalls(context, {
      title,
      systems: [url, { ...invoke, name: "Invoke" }],
      connections,
      notes: [],
    });
  } finally {
    await invoke.end();
  }
}
