/** The Telemetry and Logs APIs as extensions see them: real requests, real listeners by HTTP and TCP. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import type { PlatformRecords } from "../../runtime-proxy/domain/platform-event.ts";
import { ManualClock } from "../kit/manual-clock.ts";
import { listenHttp, listenTcp, type TelemetryListener } from "../kit/telemetry-listener.ts";
import {
  identifierOf,
  logsPath,
  startTelemetry,
  subscriptionTo,
  telemetryPath,
  type TelemetryWorld,
} from "../kit/telemetry-world.ts";

const own = { kind: "function" } as const;
const extension = { kind: "extension", name: "x" } as const;
const initStart: PlatformRecords["platform.initStart"] = {
  initializationType: "on-demand",
  phase: "init",
  functionName: "f",
  functionVersion: "$LATEST",
};
const metrics = { durationMs: 5.5, billedDurationMs: 6, memorySizeMB: 128, maxMemoryUsedMB: 38 };

type DroppedRecord = PlatformRecords["platform.logsDropped"];

/** Lets what has arrived be read. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("Telemetry API", () => {
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

  const parsed = ({ body }: { readonly body: Buffer }): unknown => JSON.parse(body.toString());

  describe("subscribing", () => {
    beforeEach(async () => {
      world = await startTelemetry();
    });
    const valid = subscriptionTo({ port: 4243 });

    it("telemetry-api 1, 2: is answered OK, with and without a slash at the end", async () => {
      for (const path of [telemetryPath, `${telemetryPath}/`]) {
        const answer = await world.put(path, valid);
        assert.equal(answer.status, 200);
        assert.equal(answer.body.toString(), '"OK"');
        assert.equal(answer.headers["content-type"], "application/json");
      }
      const answer = await world.put(`${logsPath}/`, { types: ["platform"], destination: valid["destination"] }, y);
      assert.deepEqual([answer.status, answer.body.toString()], [200, '"OK"']);
    });
    const y = { headers: { "Lambda-Extension-Identifier": identifierOf("y") } };

    it("telemetry-api 3, 4, 5, 6, 8: faults have the API's type and name what is wrong", async () => {
      const noPort = { protocol: "HTTP", URI: "http://sandbox.localdomain" };
      const answer = await world.put(telemetryPath, { ...valid, types: [], destination: noPort });
      assert.equal(answer.status, 400);
      assert.deepEqual(parsed(answer), {
        errorType: "ValidationError",
        errorMessage: "URI port is not provided; types should not be empty",
      });
      const logs = await world.put(logsPath, { types: ["Platform"], destination: noPort });
      assert.equal(logs.status, 400);
      assert.deepEqual(parsed(logs), {
        errorType: "Logs.ValidationError",
        errorMessage: "URI port is not provided; types should be a list of platform, function, extension",
      });
      assert.deepEqual(world.written, []);
    });

    it("telemetry-api 9: who is not known is not heard", async () => {
      const headers = { "Lambda-Extension-Identifier": "nobody" };
      assert.equal((await world.put(telemetryPath, "{", { headers })).status, 403);
    });

    it("telemetry-api 10: is closed once init is over, and open again after a reset", async () => {
      world.log.close();
      const answer = await world.put(telemetryPath, valid);
      assert.equal(answer.status, 403);
      assert.deepEqual(parsed(answer), {
        errorType: "Telemetry.SubscriptionClosed",
        errorMessage: "Telemetry API subscription is closed",
      });
      const logs = await world.put(logsPath, { types: ["platform"], destination: valid["destination"] });
      assert.equal((parsed(logs) as { errorType: string }).errorType, "Logs.SubscriptionClosed");
      world.log.reset();
      assert.equal((await world.put(telemetryPath, valid)).status, 200);
    });

    it("telemetry-api 11: an extension uses one of the two APIs", async () => {
      const logsBody = { types: ["platform"], destination: valid["destination"] };
      await world.put(telemetryPath, valid);
      const answer = await world.put(logsPath, logsBody);
      assert.equal(answer.status, 400);
      assert.equal((parsed(answer) as { errorType: string }).errorType, "Logs.AccessDenied");
      assert.equal((await world.put(logsPath, logsBody, y)).status, 200);
      assert.equal((await world.put(telemetryPath, valid, y)).status, 400);
    });

    it("the same again changes nothing, another one is a further subscription, of which there are ten", async () => {
      await world.put(telemetryPath, valid);
      await world.put(telemetryPath, { ...valid, types: ["function", "extension", "platform"] });
      assert.equal(world.written.length, 1);
      for (let port = 1; port < 10; port += 1)
        await world.put(telemetryPath, { ...valid, ...subscriptionTo({ port }) });
      assert.equal(world.written.length, 10);
      const answer = await world.put(telemetryPath, { ...valid, ...subscriptionTo({ port: 10 }) });
      assert.equal(answer.status, 400);
      assert.equal(world.written.length, 10);
    });

    it("a body without end is refused without being kept", async () => {
      const answer = await world.put(telemetryPath, "x".repeat(1_000_000));
      assert.deepEqual(
        [answer.status, parsed(answer)],
        [400, { errorType: "ValidationError", errorMessage: "request body is too large" }],
      );
    });

    it("whatever bytes come, they are answered", async () => {
      const body = fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
        fc.json(),
        fc.record(
          {
            schemaVersion: fc.constantFrom("2022-12-13", 1, null),
            types: fc.oneof(fc.array(fc.constantFrom("platform", "function", 7, null)), fc.anything()),
            destination: fc.oneof(
              fc.record({ protocol: fc.constant("HTTP"), URI: fc.oneof(fc.webUrl(), fc.string(), fc.anything()) }),
              fc.record({ protocol: fc.constantFrom("TCP", "UDP"), port: fc.oneof(fc.integer(), fc.double()) }),
              fc.anything(),
            ),
            buffering: fc.anything(),
          },
          { requiredKeys: [] },
        ),
      );
      const path = fc.constantFrom(telemetryPath, logsPath);
      await fc.assert(
        fc.asyncProperty(path, body, async (path, body) => {
          const answer = await world.put(path, typeof body === "string" ? body : JSON.stringify(body));
          assert.ok([200, 400].includes(answer.status));
          parsed(answer);
          world.log.reset();
        }),
        { numRuns: 300 },
      );
    });

    it("other methods and paths have their statuses", async () => {
      assert.equal((await world.put(telemetryPath, "", { method: "POST" })).status, 405);
      assert.equal((await world.put("/2022-07-01/telemetry/x", "")).status, 404);
      assert.equal((await world.put("/constructor", "")).status, 404);
    });
  });

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

  for (const [protocol, listening] of [
    ["HTTP", (held: ServerResponse[]) => listenHttp((response) => void held.push(response))],
    ["TCP", () => listenTcp((socket) => socket.pause())],
  ] as const) {
    it(`telemetry-api 18: 100 MB for a ${protocol} listener that takes nothing cost little, and it is told`, async () => {
      const clock = new ManualClock();
      world = await startTelemetry({ logFormat: "Text" }, clock);
      const held: ServerResponse[] = [];
      const silent = await heardBy(listening(held));
      const uri = `http://sandbox.localdomain:${silent.port}`;
      const destination = protocol === "TCP" ? { protocol, port: silent.port } : { protocol, URI: uri };
      await world.subscribe(silent, { destination });
      world.log.close();
      const chunk = Buffer.from(`${"x".repeat(99)}\n`.repeat(655));
      for (let bytes = 0; bytes < 100_000_000; bytes += chunk.length) {
        world.log.output(own, 1, chunk);
        if (bytes % (100 * chunk.length) === 0) await turn();
        assert.ok(world.log.heldBytes < 3 * 1024 * 1024);
      }
      await silent.stop();
      const listener = await heardBy(
        protocol === "TCP" ? listenTcp(undefined, silent.port) : listenHttp(undefined, silent.port),
      );
      for (let n = 0; n < 1_000 && world.log.heldBytes > 0; n += 1) {
        clock.advance(100);
        await turn();
      }
      const told = (): DroppedRecord[] =>
        listener.heard.of("platform.logsDropped").map(({ record }) => record as DroppedRecord);
      // By TCP, gaps of which the first connection was told are lost with what its kernel kept.
      await listener.heard.until(() => told().some(({ droppedRecords }) => droppedRecords > 500_000));
      for (const { reason, droppedRecords, droppedBytes } of told()) {
        assert.match(reason, /slower than the logs production rate$/);
        assert.ok(Number.isInteger(droppedRecords) && droppedBytes === droppedRecords * 100, String(droppedRecords));
      }
    });
  }
});
