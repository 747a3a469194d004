import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { startNoopWorld } from "../systems/noop-world.ts";
import { withPeak } from "../systems/package-world.ts";

const bounded = "256 MiB for answers";
const unbounded = "no bound";
const boundOf = { [bounded]: 256 * 1024 * 1024, [unbounded]: 2 ** 40 } as const;
const metric = "peak unshared MiB";
const mebibyte = 1024 * 1024;
const clients = 200;
const answerBytes = 6_000_000;
/** After the last call has been sent: by then the router has taken in what it takes. */
const restMs = 3000;

/** What clients that take nothing of large answers cost the router. */
export const answerMemory: Scenario = {
  summary:
    "most unshared memory of the router with 200 clients that take nothing of 6 MB each, against one without a bound",
  async run(context) {
    const rounds: Record<string, Reading>[] = [];
    context.progress(`Memory of answers: ${context.rounds} rounds …`);
    for (let round = 0; round < context.rounds; round += 1) {
      rounds.push({
        [bounded]: await measure(context, boundOf[bounded]),
        [unbounded]: await measure(context, boundOf[unbounded]),
      });
    }
    const notes = [
      `${clients} calls at once, one account; the router as the chart runs it; kernels hold a part of each answer besides`,
    ];
    const comparison = { subject: bounded, baselines: [unbounded], metrics: [metric], rounds, notes };
    return [{ title: "memory of answers that nobody takes", ...comparison }];
  },
};

async function measure(context: BenchContext, answerMemoryBytes: number): Promise<Reading> {
  const world = await startNoopWorld(context, { routers: 1, environments: clients, answerBytes, answerMemoryBytes });
  const sockets: Socket[] = [];
  try {
    const { host, port, path, body } = world.target(0, "bench");
    const { peakBytes } = await withPeak(world.routers[0]?.pid ?? 0, async () => {
      for (let n = 0; n < clients; n += 1) {
        const socket = connect(port, host).pause();
        sockets.push(socket);
        await once(socket, "connect");
        socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
      await new Promise((resolve) => setTimeout(resolve, restMs));
      return {};
    });
    return { [metric]: peakBytes / mebibyte };
  } finally {
    for (const socket of sockets) socket.destroy();
    await world.end();
  }
}
