/** Callers that hold many connections, or send heads without end: a router's memory and its other ports are not theirs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { systemClock } from "../../lib/clock.ts";
import { startServer, type RunningServer } from "../../lib/http/express.ts";
import { silentLogger, type LogFields } from "../../lib/logger.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { readMetric } from "../kit/read-metric.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

const mostConnections = 20;

describe("many connections of callers", () => {
  let world: RouterWorld;
  let agent: ScriptedAgent;
  const warned: LogFields[] = [];
  let clients: Socket[];

  before(async () => {
    world = new RouterWorld();
    world.log = { ...silentLogger, warn: (_message, fields) => void warned.push({ ...fields }) };
    await world.startRouter({ KUBELAMBDA_CONNECTIONS: mostConnections });
    agent = await world.addEnvironment(await world.addFunction({ name: "hello" }));
  });
  after(() => world.close());
  beforeEach(() => (clients = []));
  afterEach(() => {
    for (const client of clients) client.destroy();
  });

  async function open(text = ""): Promise<Socket> {
    const client = connect(world.router.invokePort, "127.0.0.1");
    clients.push(client);
    client.on("error", () => undefined);
    await once(client, "connect");
    if (text !== "") client.write(text);
    return client;
  }

  async function metric(name: string): Promise<number> {
    return await readMetric(world.router.healthPort, name);
  }

  it("beyond a bound are closed as they come, and counted; metrics and agents have ports of their own", async () => {
    for (let n = 0; n < mostConnections; n += 1) await open(n % 2 === 0 ? "" : "POST / HTTP/1.1\r\nX-Slow: ");
    for (let n = 0; n < 3; n += 1) {
      const late = await open();
      if (!late.closed) await new Promise((resolve) => late.once("close", resolve));
      assert.equal(late.bytesRead, 0);
    }
    assert.equal(await metric("kubelambda_router_dropped_connections_total"), 3);
    assert.deepEqual(warned, [{ dropped: 1, mostConnections }]);
    assert.equal(await world.announce(agent), 204);
    clients.shift()?.destroy();
    await waitUntil({ what: "a call to have room", timeoutMs: 5000, everyMs: 20 }, async () =>
      (await world.invoke("hello").catch(() => undefined))?.status === 200 ? true : undefined,
    );
  });
});

describe("heads that do not come whole", () => {
  let server: RunningServer;
  const clients: Socket[] = [];

  before(async () => {
    server = await startServer({
      ...{ host: "127.0.0.1", port: 0, maxHeaderBytes: 1024 * 1024, mostBegunHeadBytes: 1_000_000 },
      handler: async ({ body }) => {
        for await (const _ of body);
        return { status: 200, body: "done" };
      },
      onError: () => ({ status: 500 }),
      quick: { takes: ({ headers }) => headers["x-quick"] === "yes", clock: systemClock },
    });
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await server.stop(0);
  });

  async function send(text: string): Promise<Socket> {
    const client = connect(server.port, "127.0.0.1");
    clients.push(client);
    client.on("error", () => undefined);
    await once(client, "connect");
    client.resume().write(text);
    return client;
  }
  const headOf = (bytes: number): string =>
    `POST / HTTP/1.1\r\nHost: x\r\n${`X-Long: ${"x".repeat(990)}\r\n`.repeat(bytes / 1000)}`;

  it("have a bound together: the longest are cut off; small ones, bodies and what came before are not", async () => {
    const used = await send("POST / HTTP/1.1\r\nHost: x\r\nX-Quick: yes\r\nContent-Length: 3000000\r\n\r\n");
    used.write("x".repeat(3_000_000));
    await once(used, "data");
    used.write("POST / HTTP/1.1\r\nHost: x\r\nX-Sl");
    const body = await send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
    body.write("x".repeat(2_000_000));
    const small = await send("POST / HTTP/1.1\r\nHost: x\r\nX-Sl");
    const long: Socket[] = [];
    for (const bytes of [300_000, 500_000, 400_000]) long.push(await send(headOf(bytes)));
    await new Promise((resolve) => long[1]?.once("close", resolve));
    assert.deepEqual(
      [used, small, body, ...long].map(({ destroyed }) => destroyed),
      [false, false, false, false, true, false],
    );
    small.write("ow: 1\r\n\r\n");
    body.write("x".repeat(1_000_000));
    for (const client of [small, body]) if (client.bytesRead === 0) await once(client, "data");
  });
});
