import assert from "node:assert/strict";
import type { LoadReport } from "../../crds/wire/load-report.ts";
import { connect } from "node:net";
import { request } from "undici";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAnswer } from "../kit/scripted-agent.ts";

/** An answer that a test gives when it wants, and a sign that the agent was asked. */
function gate(): { asked: Promise<void>; open: () => void; script: () => Promise<ScriptedAnswer> } {
  const asked = Promise.withResolvers<undefined>();
  const opened = Promise.withResolvers<undefined>();
  return {
    asked: asked.promise as Promise<unknown> as Promise<void>,
    open: () => opened.resolve(undefined),
    script: async () => {
      asked.resolve(undefined);
      await opened.promise;
      return { body: '"done"' };
    },
  };
}

describe("Invoke API under faults", () => {
  let world: RouterWorld;
  let hello: Stored<FunctionObject>;

  async function start(changes: Parameters<RouterWorld["startRouter"]>[0] = {}): Promise<void> {
    await world.startRouter(changes);
    hello = await world.addFunction({ name: "hello" });
  }
  beforeEach(() => {
    world = new RouterWorld();
  });
  afterEach(async () => await world.close());

  it("tries elsewhere when an environment refuses, with the same request id", async () => {
    await start();
    const good = await world.addEnvironment(hello);
    // Its router owns the account by then: what comes now is taken first.
    assert.equal((await world.invoke("hello", '"before"')).body, '"before"');
    const busy = await world.addEnvironment(hello);
    busy.script = () => {
      busy.state = "busy";
      return { code: "Busy", message: "runs another" };
    };
    const answer = await world.invoke("hello", '"x"');
    assert.equal(answer.body, '"x"');
    assert.equal(busy.calls.length, 1);
    assert.equal(good.calls[1]?.requestId, busy.calls[0]?.requestId);
  });

  it("tries elsewhere when nobody listens any more", async () => {
    await start();
    await world.addEnvironment(hello);
    const gone = await world.addEnvironment(hello);
    await gone.close();
    assert.equal((await world.invoke("hello", '"x"')).body, '"x"');
  });

  it("reports an environment that does not answer any more, until it does", async function () {
    this.timeout(20_000);
    await start();
    await world.addEnvironment(hello);
    const gone = await world.addEnvironment(hello);
    const { podUid, announcement } = gone;
    await gone.close();
    assert.equal((await world.invoke("hello", '"x"')).body, '"x"');
    const isTold = ({ functions }: LoadReport): boolean => functions[0]?.unreachable?.includes(podUid) === true;
    const { sequence } = await world.reported(isTold);
    await world.announce({ podUid, announcement: { ...announcement, sequence: announcement.sequence + 1 } });
    await world.reported((report) => report.sequence > sequence && !isTold(report));
  });

  it("does not run a call twice when the connection breaks after it was sent: ServiceException with its cause", async () => {
    await start();
    const other = await world.addEnvironment(hello);
    const broken = await world.addEnvironment(hello);
    broken.script = () => "cut";
    const answer = await world.invoke("hello");
    assert.equal(answer.status, 500);
    assert.equal(answer.headers["x-amzn-errortype"], "ServiceException");
    const { Message } = JSON.parse(answer.body) as { Message: string };
    assert.match(Message, /the connection to its execution environment broke during the call/);
    assert.ok(Message.includes(String(answer.headers["x-amzn-requestid"])));
    assert.equal(other.calls.length, 0);
    assert.equal((await world.invoke("hello")).status, 200);
    assert.equal(broken.calls.length, 1);
  });

  it("two routers that compete for one environment never run two calls in it, and answer all", async () => {
    await start();
    const second = await world.startRouter();
    const agent = await world.addEnvironment(hello);
    let isRunning = false;
    agent.script = async ({ event }) => {
      if (isRunning) return { code: "Busy", message: "runs another" };
      isRunning = true;
      agent.state = "busy";
      await new Promise((resolve) => setImmediate(resolve));
      isRunning = false;
      agent.state = "ready";
      return { body: event };
    };
    const calls = Array.from({ length: 40 }, (_, number) =>
      world.call("/2015-03-31/functions/hello/invocations", {
        body: String(number),
        router: number % 2 === 0 ? world.router : second,
      }),
    );
    assert.deepEqual(
      (await Promise.all(calls)).map(({ body }) => body),
      calls.map((_, number) => String(number)),
    );
  });

  it("one router sends one call at a time to an environment", async () => {
    await start();
    const agent = await world.addEnvironment(hello);
    const calls = Array.from({ length: 50 }, (_, number) => world.invoke("hello", String(number)));
    assert.deepEqual(
      (await Promise.all(calls)).map(({ status }) => status),
      calls.map(() => 200),
    );
    assert.equal(agent.mostAtOnce, 1);
  });

  it("reports demand for a call that waits, and serves it when an environment gets ready", async () => {
    await start();
    const calling = world.invoke("hello", '"x"');
    const report = await world.reported(({ functions }) => functions[0]?.needed === 1);
    assert.equal(report.functions[0]?.revisionID, "r1");
    await world.addEnvironment(hello);
    assert.equal((await calling).body, '"x"');
  });

  it("a wait that ends without an environment names the function's trouble and the request id", async () => {
    await start({ KUBELAMBDA_ENVIRONMENT_WAIT_MS: 50 });
    const message = 'image "x" cannot be pulled';
    const condition = {
      type: "EnvironmentsHealthy",
      status: "False",
      reason: "ImagePullFailed",
      message,
      lastTransitionTime: "2026-11-24T00:00:00Z",
    };
    await world.setStatus(hello, { conditions: [condition] });
    const answer = await world.invoke("hello");
    assert.equal(answer.status, 502);
    assert.equal(answer.headers["x-amzn-errortype"], "ResourceNotReadyException");
    const { message: told } = JSON.parse(answer.body) as { message: string };
    assert.match(told, /no execution environment came free within 50 ms: ImagePullFailed: image "x" cannot be pulled$/);
    assert.ok(told.startsWith(`RequestId: ${String(answer.headers["x-amzn-requestid"])} `));
  });

  it("a full queue is 429", async () => {
    await start({ KUBELAMBDA_WAITING_CALLS: 1 });
    const waiting = world.invoke("hello", "1");
    await world.reported(({ functions }) => functions[0]?.needed === 1);
    const refused = await world.invoke("hello", "2");
    assert.equal(refused.status, 429);
    assert.match(refused.body, /"Reason":"ConcurrentInvocationLimitExceeded"/);
    await world.addEnvironment(hello);
    assert.equal((await waiting).body, "1");
  });

  it("a body waits for memory and is 429 when none comes in time: no throttle of its function, but told as what it is", async () => {
    await start({ KUBELAMBDA_BODY_MEMORY_BYTES: 100, KUBELAMBDA_BODY_WAIT_MS: 50 });
    const agent = await world.addEnvironment(hello);
    const { asked, open, script } = gate();
    agent.script = script;
    const first = world.invoke("hello", JSON.stringify("x".repeat(90)));
    await asked;
    const second = await world.invoke("hello", JSON.stringify("y".repeat(90)));
    assert.equal(second.status, 429);
    const told = JSON.parse(second.body) as Record<string, string>;
    assert.equal(told["Reason"], "CallerRateLimitExceeded");
    assert.match(told["message"] ?? "", /memory for request bodies.*router\.bodyMemoryBytes/);
    open();
    assert.equal((await first).status, 200);
    const metrics = await request(`http://127.0.0.1:${world.router.healthPort}/metrics`);
    const text = await metrics.body.text();
    assert.doesNotMatch(text, /^kubelambda_throttles_total\{.*\} [1-9]/m);
    assert.match(text, /^kubelambda_router_body_refusals_total 1$/m);
    assert.equal((await world.invoke("hello", JSON.stringify("z".repeat(90)))).status, 200);
  });

  it("a client that goes away stops no run; the environment comes free with the agent's answer", async () => {
    await start();
    const agent = await world.addEnvironment(hello);
    const { asked, open, script } = gate();
    agent.script = script;
    const client = new AbortController();
    const url = `http://127.0.0.1:${world.router.invokePort}/2015-03-31/functions/hello/invocations`;
    const calling = request(url, { method: "POST", body: "{}", signal: client.signal });
    await asked;
    client.abort();
    await assert.rejects(calling);
    agent.script = ({ event }) => ({ body: event });
    const next = world.invoke("hello", '"next"');
    open();
    assert.equal((await next).body, '"next"');
    assert.equal(agent.mostAtOnce, 1);
    assert.equal(agent.calls.length, 2);
  });

  it("a body that does not arrive is 408, and one that is cut off runs nothing", async () => {
    await start({ KUBELAMBDA_BODY_TIMEOUT_MS: 50 });
    const agent = await world.addEnvironment(hello);
    const head = "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
    assert.match(await raw(world.router.invokePort, head), /^HTTP\/1\.1 408 .*"message":"Cannot read the request/s);
    await raw(world.router.invokePort, head, { end: true });
    assert.equal((await world.invoke("hello")).status, 200);
    assert.equal(agent.calls.length, 1);
  });

  it("bytes after the content length are no second event", async () => {
    await start();
    const agent = await world.addEnvironment(hello);
    const path = "/2015-03-31/functions/hello/invocations";
    const answer = await raw(
      world.router.invokePort,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}{"a":1}`,
    );
    // Whatever came first is no answer to what came after it.
    assert.ok((answer.match(/HTTP\/1\.1 /g) ?? []).length <= 1, answer);
    assert.deepEqual(
      agent.calls.map(({ event }) => event).filter((event) => event !== "{}"),
      [],
    );
    assert.ok(agent.calls.length <= 1);
  });

  it("takes headers of nearly 1 MB and refuses more with 413", async () => {
    await start();
    await world.addEnvironment(hello);
    assert.equal((await world.invoke("hello", "{}", { "x-large": "x".repeat(1_000_000) })).status, 200);
    const head = `POST / HTTP/1.1\r\nHost: x\r\nX-Large: ${"x".repeat(1_100_000)}\r\n\r\n`;
    assert.match(await raw(world.router.invokePort, head), /^HTTP\/1\.1 413 /);
  });

  it("gives environments back to the operator, and takes them again", async () => {
    await start();
    const agent = await world.addEnvironment(hello);
    await world.reported(({ functions }) => functions[0]?.idle[0]?.podUid === agent.podUid);
    world.release = [agent.podUid];
    const report = await world.reported(({ functions }) => functions[0]?.released[0] === agent.podUid);
    assert.deepEqual(report.functions[0]?.idle, []);
    const calling = world.invoke("hello", '"x"');
    world.release = [];
    assert.equal((await calling).body, '"x"');
    assert.equal(agent.calls.length, 1);
  });

  it("acknowledges only announcements of known pods with the token of that pod", async () => {
    await start();
    const agent = await world.addPod(hello);
    assert.equal(await world.announce(agent, world.router, "another-pod"), 401);
    assert.equal(await world.announce(agent), 204);
    await world.removePod(1);
    assert.equal(await world.announce(agent), 409);
  });
});

/** Sends bytes as they are and returns all that comes until the server ends the connection. */
function raw(port: number, text: string, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => (end ? socket.end(text) : socket.write(text)));
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}
