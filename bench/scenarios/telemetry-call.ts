import { compareCalls } from "../call-comparison.ts";
import type { Scenario } from "../context.ts";
import { earExtension } from "../systems/ear-extension.ts";
import { startLoneAgent } from "../systems/lone-agent.ts";
import type { System } from "../systems/system.ts";

/** What a subscriber costs: the same extension runs in both, and subscribes in one. */
export const telemetryCall: Scenario = {
  summary: "warm call through the agent with a telemetry subscriber against the same without its subscription",
  async run(context) {
    const systems: System[] = [];
    try {
      systems.push(await startLoneAgent(context, "subscribed", { extension: earExtension(true) }));
      systems.push(await startLoneAgent(context, "not subscribed", { extension: earExtension(false) }));
      const notes = [
        "all types, by HTTP, in batches of the default size and age; the role runtime has the extension too",
      ];
      return [await compareCalls(context, { title: "warm call with a subscriber", systems, connections: 1, notes })];
    } finally {
      await Promise.all(systems.map((system) => system.end()));
    }
  },
};
