import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below what systems give to outgoing connections by themselves (Linux 32768 up, others 49152 up) and Kubernetes to node ports (30000 up). */
const [lowest, highest] = [20_000, 29_999];
const mostAttempts = 1000;

/** Different ports of the loopback that nobody listens on now, and that no connection takes meanwhile: for what is told its port before it listens. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports = new Set<number>();
  try {
    for (let attempt = 0; ports.size < count; attempt += 1) {
      if (attempt === mostAttempts) throw new Error(`Cannot find ${count} free ports between ${lowest} and ${highest}`);
      const port = randomInt(lowest, highest + 1);
      const server = await listen(port);
      if (server === undefined) continue;
      held.push(server);
      ports.add(port);
    }
    return [...ports];
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
