import type { Reading } from "../comparison.ts";
import type { Scenario } from "../context.ts";
import { LoadGenerator } from "../load.ts";
import { privateBytes } from "../process-usage.ts";
import { startLoneAgent } from "../systems/lone-agent.ts";

const later = "after 21,000 calls";
const earlier = "after 11,000 calls";
const warmUpCalls = 11_000;
const measuredCalls = 10_000;
const mebibyte = 1024 * 1024;
const body = JSON.stringify({ name: "Ada" });
const answer = JSON.stringify({ greeting: "Hello, Ada" });
/** From the last call to the reading: garbage is collected or will stay. */
const idleMs = 2000;

/** Whether calls leave anything behind in the agent. */
export const agentMemory: Scenario = {
  summary: "unshared memory of the agent after 21,000 calls against the same agent after 11,000",
  async run(context) {
    const rounds: Record<string, Reading>[] = [];
    context.progress(`Agent's memory: ${context.rounds} rounds of 21,000 calls …`);
    for (let i = 0; i < context.rounds; i += 1) {
      const system = await startLoneAgent(context, "agent");
      const load = new LoadGenerator({ ...system, body, answer }, 1);
      const read = async (): Promise<Reading> => {
        await new Promise((resolve) => setTimeout(resolve, idleMs));
        return { "unshared MiB": privateBytes(system.pidsByRole()["agent"]?.[0] ?? 0) / mebibyte };
      };
      try {
        await load.calls(warmUpCalls);
        const before = await read();
        await load.calls(measuredCalls);
        rounds.push({ [earlier]: before, [later]: await read() });
      } finally {
        await load.close();
        await system.end();
      }
    }
    const [subject, baselines, metrics] = [later, [earlier], ["unshared MiB"]];
    return [{ title: "memory of one agent", subject, baselines, metrics, rounds, notes: [] }];
  },
};
