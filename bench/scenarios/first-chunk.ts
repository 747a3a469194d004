import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import { invocationHeaders } from "../../crds/wire/environment.ts";
import type { Reading } from "../comparison.ts";
import type { Scenario } from "../context.ts";
import { shuffled } from "../seeded-random.ts";
import { quantile } from "../statistics.ts";
import { startLoneAgent } from "../systems/lone-agent.ts";
import type { System } from "../systems/system.ts";

const callsOfRound = 100;
const warmUpCalls = 200;
const bareServer = fileURLToPath(new URL("../systems/bare-stream.cjs", import.meta.url));

/** From the moment at which the function writes its first chunk to the one at which its caller has it. */
export const firstChunk: Scenario = {
  summary: "way of a streamed response's first chunk through the agent against a bare node:http server",
  async run(context) {
    const systems: System[] = [];
    const connections = new Agent({ keepAlive: true });
    try {
      systems.push(await startLoneAgent(context, "agent", { handler: "stream.handler" }));
      const server = await context.processes.start({ argv: [process.execPath, bareServer] }, true);
      const { port } = await server.ready<{ port: number }>();
      const pidsByRole = (): Record<string, readonly number[]> => ({ server: [server.pid] });
      const origins = [`http://127.0.0.1:${port}`];
      systems.push({ name: "bare server", origins, path: "/", pidsByRole, end: () => server.end() });
      for (const system of systems) await wayMs(system, connections, warmUpCalls);
      const rounds: Record<string, Reading>[] = [];
      context.progress(`First chunk: ${context.rounds} rounds of ${systems.length} × ${callsOfRound} calls …`);
      for (let i = 0; i < context.rounds; i += 1) {
        const readings: Record<string, Reading> = {};
        for (const system of shuffled(systems, context.draw)) {
          const ways = await wayMs(system, connections, callsOfRound);
          readings[system.name] = { "p50 ms": quantile(ways, 0.5), "p99 ms": quantile(ways, 0.99) };
        }
        rounds.push(readings);
      }
      const [subject, baselines, metrics] = ["agent", ["bare server"], ["p50 ms", "p99 ms"]];
      const notes = [
        "both processes read the same clock; the way through the agent is two connections, the bare one is one",
      ];
      return [{ title: "first chunk of a streamed response", subject, baselines, metrics, rounds, notes }];
    } finally {
      connections.destroy();
      await Promise.all(systems.map((system) => system.end()));
    }
  },
};

async function wayMs(system: System, agent: Agent, calls: number): Promise<number[]> {
  const ways: number[] = [];
  for (let i = 0; i < calls; i += 1) ways.push(await oneWayMs(system, agent));
  return ways;
}

function oneWayMs({ origins, path, headers }: System, agent: Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const streaming = { [invocationHeaders.responseMode]: "streaming", "content-type": "application/json" };
  const url = new URL(path, origins[0]);
  const sent = request(url, { method: "POST", agent, headers: { ...streaming, ...headers } }, (response) => {
    let way: number | undefined;
    response.on("data", (chunk: Buffer) => {
      way ??= performance.timeOrigin + performance.now() - Number(chunk.toString().replace(/\.$/, ""));
    });
    response.on("error", reject);
    response.on("end", () => {
      if (way !== undefined && Number.isFinite(way)) resolve(way);
      else reject(new Error(`Cannot measure a stream: status ${response.statusCode}, no time in it`));
    });
  });
  sent.on("error", reject);
  sent.end("{}");
  return promise;
}
