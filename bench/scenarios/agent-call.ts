import { compareCalls } from "../call-comparison.ts";
import type { Scenario } from "../context.ts";
import { startEmulators } from "../systems/emulator.ts";
import { startLoneAgent } from "../systems/lone-agent.ts";
import type { System } from "../systems/system.ts";

/** What the agent adds to a call, without a router: the emulator does the same work for the same runtime and function. */
export const agentCall: Scenario = {
  summary: "warm call through the agent alone against the runtime interface emulator, one connection",
  async run(context) {
    const systems: System[] = [];
    try {
      systems.push(await startLoneAgent(context, "agent"));
      systems.push(await startEmulators(context, 1));
      const notes = [
        "the agent checks a claim and keeps the log's lines in order with the function's; the emulator does neither",
      ];
      return [await compareCalls(context, { title: "warm call without a router", systems, connections: 1, notes })];
    } finally {
      await Promise.all(systems.map((system) => system.end()));
    }
  },
};
