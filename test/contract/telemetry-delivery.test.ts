/** The Telemetry and Logs APIs as listeners see them: real ones, by HTTP and TCP. */
import assert from "node:assert/strict";
import type { PlatformRecords } from "../../runtime-proxy/domain/platform-event.ts";
import { ManualClock } from "../kit/manual-clock.ts";
import { listenHttp, listenTcp, type TelemetryListener } from "../kit/telemetry-listener.ts";
import { identifierOf, logsPath, startTelemetry, subscriptionTo, type TelemetryWorld } from "../kit/telemetry-world.ts";

const own = { kind: "function" } as const;
const extension = { kind: "extension", name: "x" } as const;
const initStart: PlatformRecords["platform.initStart"] = {
  initializationType: "on-demand",
  phase: "init",
  functionName: "f",
  functionVersion: "$LATEST",
};
const metrics = { durationMs: 5.5, billedDurationMs: 6, memorySizeMB: 128, maxMemoryUsedMB: 38 };

/** Lets what has arrived be read. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("Telemetry API, delivering", () => {
  let world: TelemetryWorld;
  const listeners: TelemetryListener[] = [];

  afterEach(async () => {
    await world.stop();
    await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
  });

  async function heardBy<T extends TelemetryListener>(listening: Promise<T>): Promise<T> {
    const listener = await listening;
    listeners.push(listener);
    return listener;
  }

  function tellInvocation(requestId: string, status: "success" | "error" = "success"): void {
    const outcome = { status, ...(status === "error" && { errorType: "Runtime.ExitError" }) };
    world.log.tell("platform.start", { requestId, version: "$LATEST" });
    world.log.output(own, 1, Buffer.from("hello\n"));
    world.log.tell("platform.runtimeDone", { requestId, ...outcome, metrics: { durationMs: 5, producedBytes: 2 } });
    world.log.tell("platform.report", { requestId, ...outcome, metrics });
  }

  it("telemetry-api 12, 13: batches are POSTed as JSON arrays to the URI's path, over one connection", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenHttp());
    const destination = { protocol: "HTTP", URI: `http://sandbox.localdomain:${listener.port}/in?x=1` };
    await world.subscribe(listener, { destination });
    for (const text of ["a\n", "b\n", "c\n"]) {
      world.log.output(own, 1, Buffer.from(text));
      await listener.heard.until(() => listener.heard.of("function").at(-1)?.record === text);
    }
    assert.ok(listener.heard.batches.length >= 3);
    for (const { method, path, headers, connection } of listener.heard.batches) {
      assert.deepEqual([method, path, headers["content-type"]], ["POST", "/in?x=1", "application/json"]);
      assert.equal(headers.host, `sandbox.localdomain:${listener.port}`);
      assert.equal(connection, 1);
    }
  });

  it("the Logs API delivers by the method that was asked for", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenHttp());
    const destination = { protocol: "HTTP", URI: `http://sandbox:${listener.port}`, method: "PUT" };
    await world.put(logsPath, { types: ["platform"], destination, buffering: { timeoutMs: 25 } });
    await listener.heard.until(() => listener.heard.events.length > 0);
    assert.equal(listener.heard.batches[0]?.method, "PUT");
  });

  it("telemetry-api 14: by TCP each event is a line, all over one connection", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenTcp());
    await world.subscribe(listener, { destination: { protocol: "TCP", port: listener.port } });
    for (const text of ["a\n", "b\rc\n"]) {
      world.log.output(own, 1, Buffer.from(text));
      await listener.heard.until(() => listener.heard.of("function").at(-1)?.record === text);
    }
    assert.deepEqual(
      listener.heard.events.map(({ type }) => type),
      ["platform.telemetrySubscription", "function", "function"],
    );
    assert.equal(listener.connections(), 1);
  });

  it("telemetry-api 15: who subscribes late hears what was before", async () => {
    world = await startTelemetry();
    world.log.tell("platform.initStart", initStart);
    world.log.output(extension, 2, Buffer.from("early\n"));
    const listener = await heardBy(listenHttp());
    await world.subscribe(listener);
    await listener.heard.until(() => listener.heard.events.length >= 3);
    assert.deepEqual(
      listener.heard.events.map(({ type, record }) => (typeof record === "string" ? record : type)),
      ["platform.initStart", "early\n", "platform.telemetrySubscription"],
    );
    assert.deepEqual(listener.heard.events[0]?.record, initStart);
  });

  it("telemetry-api 17: a listener that answers 500 twice loses nothing", async () => {
    world = await startTelemetry();
    const listener = await heardBy(
      listenHttp((response, _batch, number) => {
        response.statusCode = number <= 2 ? 500 : 200;
        response.end("answer");
      }),
    );
    await world.subscribe(listener);
    world.log.output(own, 1, Buffer.from("a\nb\n"));
    await listener.heard.until(() => listener.heard.of("function").length === 2);
    assert.deepEqual(
      listener.heard.of("function").map(({ record }) => record),
      ["a\n", "b\n"],
    );
  });

  it("a listener that comes up after its subscription hears everything once", async () => {
    world = await startTelemetry();
    const later = await listenHttp();
    await later.stop();
    await world.subscribe(later);
    world.log.output(own, 1, Buffer.from("a\n"));
    await world.log.flush(50);
    const listener = await heardBy(listenHttp(undefined, later.port));
    await listener.heard.until(() => listener.heard.of("function").length > 0);
    assert.equal(listener.heard.of("function").length, 1);
    assert.equal(listener.heard.of("platform.telemetrySubscription").length, 1);
  });

  it("a listener that dies in the middle of a batch gets it again", async () => {
    world = await startTelemetry();
    const listener = await heardBy(
      listenHttp((response, _batch, number) => {
        if (number === 1) response.destroy();
        else response.end();
      }),
    );
    await world.subscribe(listener);
    world.log.output(own, 1, Buffer.from("a\n"));
    await listener.heard.until(() => listener.heard.of("function").length > 0);
    assert.equal(listener.heard.of("function").length, 1);
  });

  it("a listener that closes connections between batches loses nothing", async () => {
    world = await startTelemetry();
    const listener = await heardBy(
      listenHttp((response) => {
        response.setHeader("Connection", "keep-alive");
        response.end();
        response.once("finish", () => response.socket?.destroySoon());
      }),
    );
    await world.subscribe(listener);
    for (let n = 0; n < 5; n += 1) {
      world.log.output(own, 1, Buffer.from(`${n}\n`));
      await world.log.flush(1_000);
    }
    assert.deepEqual(
      listener.heard.of("function").map(({ record }) => record),
      ["0\n", "1\n", "2\n", "3\n", "4\n"],
    );
  });

  it("a TCP listener that ends its connection is called again", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenTcp((socket) => socket.once("data", () => socket.end())));
    await world.subscribe(listener, { destination: { protocol: "TCP", port: listener.port } });
    await listener.heard.until(() => listener.connections() === 1 && listener.heard.events.length > 0);
    let said = 0;
    while (listener.connections() < 2 && said < 100) {
      world.log.output(own, 1, Buffer.from(`${said++}\n`));
      await world.log.flush(1_000);
      await turn();
    }
    assert.ok(listener.connections() >= 2);
  });

  it("telemetry-api 19, 27: an invocation's events come in order, with one request id and no tracing", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenHttp());
    await world.subscribe(listener);
    tellInvocation("r1");
    await listener.heard.until(() => listener.heard.of("platform.report").length > 0);
    assert.deepEqual(
      listener.heard.events.map(({ type }) => type),
      ["platform.telemetrySubscription", "platform.start", "function", "platform.runtimeDone", "platform.report"],
    );
    const platform = listener.heard.of("platform.start", "platform.runtimeDone", "platform.report");
    assert.deepEqual(
      platform.map(({ record }) => (record as { requestId: string }).requestId),
      ["r1", "r1", "r1"],
    );
    assert.ok(!JSON.stringify(listener.heard.events).includes("tracing"));
    for (const { time } of listener.heard.events) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("the Logs API has an end of each invocation, and runtimeDone in its second schema", async () => {
    world = await startTelemetry();
    const [first, second] = [await heardBy(listenHttp()), await heardBy(listenHttp())];
    const logs = { types: ["platform", "function"], buffering: { timeoutMs: 25 } };
    await world.put(logsPath, { ...logs, destination: subscriptionTo(first)["destination"] });
    const newer = { ...logs, schemaVersion: "2021-03-18", destination: subscriptionTo(second)["destination"] };
    await world.put(logsPath, newer, { headers: { "Lambda-Extension-Identifier": identifierOf("y") } });
    tellInvocation("r1", "error");
    world.log.tell("platform.fault", "RequestId: r1 Error: exit status 1\nRuntime.ExitError\n");
    const types = async ({ heard }: TelemetryListener): Promise<string[]> => {
      await heard.until(() => heard.of("platform.fault").length > 0);
      return heard.events.map(({ type }) => type).filter((type) => type !== "platform.logsSubscription");
    };
    const common = ["platform.end", "platform.report", "platform.fault"];
    assert.deepEqual(await types(first), ["platform.start", "function", ...common]);
    assert.deepEqual(await types(second), ["platform.start", "function", "platform.runtimeDone", ...common]);
    assert.deepEqual(second.heard.of("platform.runtimeDone")[0]?.record, { requestId: "r1", status: "failure" });
    assert.deepEqual(first.heard.of("platform.end")[0]?.record, { requestId: "r1" });
  });

  it("telemetry-api 28, 30: each hears the types that it asked for, line by line", async () => {
    world = await startTelemetry();
    const [lines, platform] = [await heardBy(listenHttp()), await heardBy(listenHttp())];
    await world.subscribe(lines, { types: ["function"] });
    await world.subscribe(platform, { types: ["platform"] });
    world.log.output(own, 1, Buffer.from("a\nb\n"));
    world.log.output(extension, 1, Buffer.from("c\n"));
    tellInvocation("r1");
    await lines.heard.until(() => lines.heard.events.length === 3);
    await platform.heard.until(() => platform.heard.of("platform.report").length > 0);
    assert.deepEqual(
      lines.heard.events.map(({ type, record }) => [type, record]),
      [
        ["function", "a\n"],
        ["function", "b\n"],
        ["function", "hello\n"],
      ],
    );
    assert.deepEqual(platform.heard.of("function", "extension"), []);
  });

  it("telemetry-api 29: JSON lines are objects where the schema has them", async () => {
    world = await startTelemetry({ logFormat: "JSON" });
    const [newer, older] = [await heardBy(listenHttp()), await heardBy(listenHttp())];
    await world.subscribe(newer);
    await world.subscribe(older, { schemaVersion: "2022-07-01" });
    world.log.output(own, 1, Buffer.from('{"level":"INFO","message":"m"}\nplain\n'));
    const records = async ({ heard }: TelemetryListener): Promise<unknown[]> => {
      await heard.until(() => heard.of("function").length === 2);
      return heard.of("function").map(({ record }) => record);
    };
    assert.deepEqual(await records(newer), [{ level: "INFO", message: "m" }, "plain\n"]);
    assert.deepEqual(await records(older), ['{"level":"INFO","message":"m"}\n', "plain\n"]);
  });

  it("telemetry-api 36: a flush delivers what a batch still held, also a line without an end", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenHttp());
    await world.subscribe(listener, { buffering: { timeoutMs: 30_000 } });
    world.log.output(own, 1, Buffer.from("a\nhalf"));
    await world.log.flush(1_000);
    assert.deepEqual(
      listener.heard.of("function").map(({ record }) => record),
      ["a\n", "half"],
    );
  });

  it("what a runtime said before it failed does not wait for its batch", async () => {
    world = await startTelemetry();
    const listener = await heardBy(listenHttp());
    await world.subscribe(listener, { buffering: { timeoutMs: 30_000 } });
    world.log.tell("platform.start", { requestId: "r" });
    world.log.output(own, 1, Buffer.from("last words"));
    world.log.tell("platform.runtimeDone", { requestId: "r", status: "error", errorType: "Runtime.ExitError" });
    await listener.heard.until(() => listener.heard.of("platform.runtimeDone").length > 0);
    assert.equal(listener.heard.of("function")[0]?.record, "last words");
  });

  it("a flush waits for a second at most, whatever it is allowed", async () => {
    const clock = new ManualClock();
    world = await startTelemetry({ logFormat: "Text" }, clock);
    await world.subscribe(await heardBy(listenHttp(() => undefined)));
    const flushed = world.log.flush(60_000);
    clock.advance(1_000);
    await flushed;
  });

  it("after a reset nothing goes to those who had subscribed", async () => {
    world = await startTelemetry();
    const [old, fresh] = [await heardBy(listenHttp()), await heardBy(listenHttp())];
    await world.subscribe(old);
    await old.heard.until(() => old.heard.events.length === 1);
    world.log.reset();
    world.log.tell("platform.initStart", initStart);
    await world.subscribe(fresh);
    await fresh.heard.until(() => fresh.heard.of("platform.initStart").length === 1);
    assert.equal(old.heard.events.length, 1);
  });
});
