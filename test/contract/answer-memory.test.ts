/** Answers that are held for their clients have one bound, which accounts share: what there is no room for stays with its environment. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "mocha";
import { accountIdOf } from "../../crds/names.ts";
import { systemClock } from "../../lib/clock.ts";
import { startServer } from "../../lib/http/express.ts";
import type { RouterConfig } from "../../runtime-proxy/router-config.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { readMetric } from "../kit/read-metric.ts";
import { RoutedEnvironment } from "../kit/routed-environment.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

/** More than kernels take of an answer for a client that reads nothing. */
const largeBytes = 6_000_000;
const large = JSON.stringify("x".repeat(largeBytes - 2));

/** Answers with as many bytes as the event says, quotes among them. */
const generous = runtimeProgram(`
  for (;;) {
    const { id, body } = await next();
    await respond(id, JSON.stringify("x".repeat(Number(body) - 2)));
  }`);

/** A string of so many bytes, quotes among them. */
function assertLong({ body }: HttpAnswer, bytes: number): void {
  assert.equal(body.length, bytes, body.slice(0, 300));
  assert.equal(/^"x*"$/.test(body), true);
}

describe("memory for answers", function () {
  this.timeout(20_000);
  let world: RouterWorld;
  let clients: Socket[];
  beforeEach(() => {
    [world, clients] = [new RouterWorld(), []];
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await world.close();
  });

  /** Calls and takes nothing of the answer. */
  async function takeNothing(name: string, event = "", port = world.router.invokePort): Promise<Socket> {
    const client = connect(port, "127.0.0.1").pause();
    clients.push(client);
    await once(client, "connect");
    const head = `POST /2015-03-31/functions/${name}/invocations HTTP/1.1\r\nHost: x\r\n`;
    client.write(`${head}Content-Length: ${event.length}\r\n\r\n${event}`);
    return client;
  }

  async function metric(name: string, wanted: number, port = world.router.healthPort): Promise<void> {
    const probe = async (): Promise<true> => {
      const seen = await readMetric(port, `kubelambda_router_${name}`);
      if (seen !== wanted) throw new Error(`it is ${seen}`);
      return true;
    };
    await waitUntil({ what: `metric "${name}" to be ${wanted}`, timeoutMs: 5000, everyMs: 5 }, probe);
  }

  /** Functions `hello` and `small` of one account, and `other` of another. */
  async function start(changes: Partial<RouterConfig>): Promise<void> {
    await world.startRouter(changes);
    const hello = await world.addFunction({ name: "hello" });
    for (const agent of [await world.addEnvironment(hello), await world.addEnvironment(hello)])
      agent.script = () => ({ body: large });
    await world.addEnvironment(await world.addFunction({ name: "small" }));
    const others = await world.addEnvironment(await world.addFunction({ name: "other", namespace: "others" }));
    others.script = () => ({ body: large });
  }

  it("an account whose clients take nothing has half of it, and its next answer waits; others' and small ones do not", async () => {
    await start({ KUBELAMBDA_ANSWER_MEMORY_BYTES: 3 * largeBytes - 1 });
    const slow = await takeNothing("hello");
    await metric("answer_memory_bytes", largeBytes);
    const next = world.invoke("hello");
    await metric("waiting_answers", 1);
    const other = await world.invoke(`${accountIdOf("others")}:function:other`);
    assertLong(other, largeBytes);
    assert.equal((await world.invoke("small", '"quick"')).body, '"quick"');
    await metric("answer_memory_bytes", largeBytes);
    await metric("waiting_answers", 1);
    slow.resume();
    assertLong(await next, largeBytes);
    await metric("answer_memory_bytes", 0);
  });

  it("an answer that gets no room in time is lost, and its caller told so; the environment takes the next call", async () => {
    await start({ KUBELAMBDA_ANSWER_MEMORY_BYTES: largeBytes, KUBELAMBDA_ANSWER_WAIT_MS: 50 });
    const slow = await takeNothing("hello");
    await metric("answer_memory_bytes", largeBytes);
    const refused = await world.invoke("hello");
    assert.equal(refused.status, 500);
    assert.equal(refused.headers["x-amzn-errortype"], "ServiceException");
    assert.match(refused.body, /it has run, and all of the router's memory for answers.*router\.answerMemoryBytes/);
    await metric("answer_refusals_total", 1);
    slow.destroy();
    await metric("answer_memory_bytes", 0);
    for (let call = 0; call < 4; call += 1) assertLong(await world.invoke("hello"), largeBytes);
    await metric("answer_memory_bytes", 0);
  });

  it("what a client leaves lying holds its room, however little it is", async () => {
    const accepted: Socket[] = [];
    const onAccepted = (message: unknown): void => void accepted.push((message as { readonly socket: Socket }).socket);
    const answers = { begun: 0, held: 0 };
    const server = await startServer({
      ...{ host: "127.0.0.1", port: 0, isDirect: true, onError: () => ({ status: 500 }) },
      handler: (request) => {
        answers.begun += 1;
        answers.held += 1;
        request.whenAnswered(() => (answers.held -= 1));
        return Promise.resolve({ status: 200, body: Buffer.alloc(20_000) });
      },
      quick: { takes: () => true, clock: systemClock },
    });
    subscribe("net.server.socket", onAccepted);
    try {
      const client = await takeNothing("hello", "", server.port);
      for (let calls = 1; ; calls += 1) {
        const answered = (): true | undefined => (answers.begun === calls ? true : undefined);
        await waitUntil({ what: `answer ${calls} to be given`, timeoutMs: 5000, everyMs: 0 }, answered);
        // Who is told of a write's end is told by then.
        await new Promise((resolve) => setImmediate(resolve));
        const isLeftLying = accepted.some(({ writableLength }) => writableLength > 0);
        assert.equal(answers.held > 0, isLeftLying);
        if (isLeftLying) break;
        client.write("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
      }
      client.destroy();
      const released = (): true | undefined => (answers.held === 0 ? true : undefined);
      await waitUntil({ what: "the room to be given back", timeoutMs: 5000, everyMs: 5 }, released);
    } finally {
      unsubscribe("net.server.socket", onAccepted);
      await server.stop(1000);
    }
  });

  it("a client that is gone before its answer came holds none", async () => {
    await start({ KUBELAMBDA_ANSWER_MEMORY_BYTES: largeBytes });
    await takeNothing("hello");
    await metric("answer_memory_bytes", largeBytes);
    const gone = await takeNothing("hello");
    await metric("waiting_answers", 1);
    gone.destroy();
    clients[0]?.destroy();
    await metric("waiting_answers", 0);
    await metric("answer_memory_bytes", 0);
  });

  it("a real agent keeps what there is no room for, and its next call is as the first", async function () {
    this.timeout(300_000);
    await buildSupervisor();
    const config = { KUBELAMBDA_ANSWER_MEMORY_BYTES: largeBytes };
    const routed = await RoutedEnvironment.start({ routers: 1, bootstrap: generous, config });
    try {
      const { invokePort, healthPort } = routed.world.router;
      const slow = await takeNothing("probe", String(largeBytes), invokePort);
      await metric("answer_memory_bytes", largeBytes, healthPort);
      const next = routed.world.invoke("probe", String(largeBytes - 1));
      await metric("waiting_answers", 1, healthPort);
      slow.destroy();
      assertLong(await next, largeBytes - 1);
      assertLong(await routed.world.invoke("probe", "100"), 100);
      await metric("answer_memory_bytes", 0, healthPort);
    } finally {
      await routed.stop();
    }
  });
});
