/** Telemetry of a whole environment: a real agent and supervisor, true times, the log as `kubectl logs` and a caller's tail show it. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlatformRecords } from "../../runtime-proxy/domain/platform-event.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import type { EnvironmentOptions } from "../kit/agent-environment.ts";
import { exchange, type Exchange } from "../kit/exchange.ts";
import { listeningExtension, TelemetryExtension } from "../kit/telemetry-extension.ts";
import {
  requestIdOf,
  runtimeProgram,
  startPlayed,
  whenReady,
  type PlayedEnvironment,
} from "../kit/scripted-runtime.ts";
import { logsPath, telemetryPath } from "../kit/telemetry-world.ts";
import { listenHttp, type HeardEvent, type TelemetryListener } from "../kit/telemetry-listener.ts";

type Report = PlatformRecords["platform.report"];
type RuntimeDone = PlatformRecords["platform.runtimeDone"];

/** Says that it runs, and exits with status 1 once the file `exit` is there. */
const exitingRuntime = "#!/bin/sh\necho the runtime runs\nwhile [ ! -e exit ]; do sleep 0.05; done\nexit 1\n";

describe("telemetry of an environment", () => {
  let played: PlayedEnvironment;
  let listener: TelemetryListener;
  const folders: string[] = [];

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  beforeEach(async () => {
    listener = await listenHttp();
  });
  afterEach(async () => {
    await played.environment.stop();
    await listener.stop();
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
  });

  /** An idle environment with an extension of the test's that has subscribed. */
  async function idle(
    options: EnvironmentOptions = {},
  ): Promise<{ first: Promise<Exchange>; extension: TelemetryExtension }> {
    played = await startPlayed(options);
    const extension = new TelemetryExtension(played.environment.agent.runtimeApi, "inner");
    await extension.register();
    assert.equal((await extension.subscribe(listener)).status, 200);
    const first = played.runtime.next();
    await heard("platform.initRuntimeDone");
    void extension.next();
    await whenReady(played);
    return { first, extension };
  }

  async function heard(type: string, times = 1): Promise<void> {
    await listener.heard.until(() => listener.heard.of(type).length >= times);
  }
  const recordsOf = <T>(type: string): T[] => listener.heard.of(type).map(({ record }) => record as T);

  it("telemetry-api 15, 19, 20, 21, 25, 26, 27: a cold call and a warm one, told in order and measured", async () => {
    const { first, extension } = await idle();
    const invoked = played.environment.invoke("{}");
    const event = await first;
    void played.runtime.respond(requestIdOf(event), '"answer"');
    const answered = await invoked;
    const second = played.runtime.next();
    await heard("platform.runtimeDone");
    void extension.next();
    await heard("platform.report");
    assert.deepEqual(
      listener.heard.events.map(({ type }) => type).filter((type) => type !== "function"),
      [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
      ],
    );
    const [done] = recordsOf<RuntimeDone>("platform.runtimeDone");
    const [cold] = recordsOf<Report>("platform.report");
    assert.ok(done !== undefined && cold !== undefined);
    for (const { requestId, status } of [done, cold])
      assert.deepEqual([requestId, status], [answered.requestId, "success"]);
    assert.equal(done.metrics?.producedBytes, 8);
    assert.ok(!("errorType" in done) && !("errorType" in cold));
    assert.ok(!JSON.stringify(listener.heard.events).includes('"tracing"'));
    const { metrics } = cold;
    assert.ok(metrics.initDurationMs !== undefined && metrics.durationMs >= done.metrics.durationMs);
    for (const number of [metrics.billedDurationMs, metrics.memorySizeMB, metrics.maxMemoryUsedMB]) {
      assert.ok(Number.isInteger(number));
    }
    assert.equal(metrics.billedDurationMs, Math.ceil(Number((metrics.durationMs + metrics.initDurationMs).toFixed(2))));

    const again = played.environment.invoke("{}", { headers: { "x-amzn-trace-id": "Root=1-2-3;Parent=4;Sampled=1" } });
    void played.runtime.respond(requestIdOf(await second), '"answer"');
    await again;
    void played.runtime.next();
    await heard("platform.runtimeDone", 2);
    void extension.next();
    await heard("platform.report", 2);
    const [, warm] = recordsOf<Report>("platform.report");
    assert.ok(warm !== undefined && !("initDurationMs" in warm.metrics));
    const [, start] = recordsOf<PlatformRecords["platform.start"]>("platform.start");
    assert.deepEqual([start?.tracing?.type, warm.tracing?.type], ["X-Amzn-Trace-Id", "X-Amzn-Trace-Id"]);
  });

  it("telemetry-api 10: who subscribes after init is refused", async () => {
    const { extension } = await idle();
    const answer = await extension.subscribe(listener, { types: ["platform"] });
    assert.equal(answer.status, 403);
    assert.equal(
      (JSON.parse(answer.body.toString()) as { errorType: string }).errorType,
      "Telemetry.SubscriptionClosed",
    );
  });

  it("telemetry-api 9: the identifier is checked first, as by the Extensions API", async () => {
    await idle();
    const { runtimeApi } = played.environment.agent;
    const types: Record<string, string> = {
      "": "Extension.MissingExtensionIdentifier",
      abc: "Extension.InvalidExtensionIdentifier",
      "00000000-0000-4000-8000-000000000000": "Extension.UnknownExtensionIdentifier",
    };
    for (const path of [telemetryPath, logsPath]) {
      for (const [identifier, want] of Object.entries(types)) {
        const headers = { "Lambda-Extension-Identifier": identifier };
        const answer = await exchange(runtimeApi, path, { method: "PUT", headers, body: "no JSON" });
        assert.equal(answer.status, 403);
        assert.equal((JSON.parse(answer.body.toString()) as { errorType: string }).errorType, want);
      }
    }
  });

  it("telemetry-api 22: a handler's error is a success, and REPORT has no status", async () => {
    const { first, extension } = await idle();
    const invoked = played.environment.invoke("{}");
    void played.runtime.fail(requestIdOf(await first), '{"errorType":"E","errorMessage":"m"}');
    await invoked;
    void played.runtime.next();
    await heard("platform.runtimeDone");
    void extension.next();
    await heard("platform.report");
    const [done] = recordsOf<RuntimeDone>("platform.runtimeDone");
    assert.deepEqual([done?.status, done?.metrics?.producedBytes], ["success", 0]);
    assert.equal(recordsOf<Report>("platform.report")[0]?.status, "success");
    await played.environment.printed("REPORT RequestId");
    assert.ok(!played.environment.output.includes("Status:"));
  });

  /** An environment with an external extension that prints what it hears. */
  async function startWithEar(options: EnvironmentOptions): Promise<void> {
    const layers = await mkdtemp(join(tmpdir(), "layers-"));
    folders.push(layers);
    await mkdir(join(layers, "extensions"));
    await writeFile(join(layers, "extensions/ear.js"), listeningExtension, { mode: 0o755 });
    played = await startPlayed({ ...options, variables: { KUBELAMBDA_LAYERS_ROOT: layers } });
  }

  /** What the extension printed of such events. */
  function printedRecords<T>(type: string): T[] {
    const lines = played.environment.output.split("\n").filter((line) => line.startsWith("heard "));
    const events = lines.map((line) => JSON.parse(line.slice("heard ".length)) as HeardEvent);
    return events.filter((event) => event.type === type).map(({ record }) => record as T);
  }

  it("telemetry-api 23, 33: a timeout has the configured time and no type", async () => {
    await startWithEar({ document: { timeoutSeconds: 1 } });
    const first = played.runtime.next();
    await whenReady(played);
    const { requestId } = await played.environment.invoke("{}");
    await first;
    await played.environment.printed("event SHUTDOWN");
    const [done] = printedRecords<RuntimeDone>("platform.runtimeDone");
    const [report] = printedRecords<Report>("platform.report");
    assert.deepEqual([done?.status, report?.status, report?.metrics.durationMs], ["timeout", "timeout", 1000]);
    assert.ok(done !== undefined && report !== undefined && !("errorType" in done) && !("errorType" in report));
    const lines = `END RequestId: ${requestId}\nREPORT RequestId: ${requestId}\tDuration: 1000.00 ms\t`;
    await played.environment.printed(lines);
    await played.environment.printed("\tStatus: timeout\n");
  });

  it("telemetry-api 24: an exit has its type", async () => {
    await startWithEar({ files: { bootstrap: exitingRuntime } });
    const first = played.runtime.next();
    await whenReady(played);
    const invoked = played.environment.invoke("{}");
    await first;
    await writeFile(join(played.environment.folder, "task/exit"), "");
    await invoked;
    await played.environment.printed("event SHUTDOWN");
    for (const type of ["platform.runtimeDone", "platform.report"]) {
      const [record] = printedRecords<Report>(type);
      assert.deepEqual([record?.status, record?.errorType], ["error", "Runtime.ExitError"], type);
    }
    await played.environment.printed("\tStatus: error\tError Type: Runtime.ExitError\n");
  });

  it("telemetry-api 32, 34: the log has START, the function's lines, END and REPORT; the tail the same without waiting for extensions", async () => {
    const script = `for (let n = 1; ; n++) { const { id } = await next(); console.log(id + " line " + n); await respond(id, "1"); }`;
    played = await startPlayed({ files: { bootstrap: runtimeProgram(`console.log("the runtime runs");${script}`) } });
    await whenReady(played);
    const { headers, requestId } = await played.environment.invoke("{}", { headers: { "x-amz-log-type": "Tail" } });
    await played.environment.printed("REPORT RequestId");
    const log = new RegExp(
      [
        `^START RequestId: ${requestId} Version: \\$LATEST`,
        `${requestId} line 1`,
        `END RequestId: ${requestId}`,
        `REPORT RequestId: ${requestId}\\tDuration: \\d+\\.\\d\\d ms\\tBilled Duration: \\d+ ms\\tMemory Size: 128 MB\\tMax Memory Used: \\d+ MB\\tInit Duration: \\d+\\.\\d\\d ms\\t\\n$`,
      ].join("\\n"),
    );
    assert.match(Buffer.from(String(headers["x-amz-log-result"]), "base64").toString(), log);
    const { output } = played.environment;
    assert.match(output.slice(output.indexOf("START RequestId")), log);
  });

  it("an answer with its tail does not wait for an extension that keeps the invocation open", async () => {
    const { first } = await idle();
    const invoked = played.environment.invoke("{}", { headers: { "x-amz-log-type": "Tail" } });
    void played.runtime.respond(requestIdOf(await first), "1");
    const tail = Buffer.from(String((await invoked).headers["x-amz-log-result"]), "base64").toString();
    assert.match(tail, /^START RequestId: .*\nEND RequestId: .*\nREPORT RequestId: .*\t\n$/);
    assert.ok(!played.environment.output.includes("REPORT"));
  });

  it("a runtime client's record of several lines is one event, and lines of the log and its tail", async () => {
    const script = `const write = (text) => {
      const head = Buffer.alloc(16);
      head.writeUInt32BE(0xa55a0003, 0);
      head.writeUInt32BE(Buffer.byteLength(text), 4);
      head.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
      fs.writeSync(Number(process.env._LAMBDA_TELEMETRY_LOG_FD), Buffer.concat([head, Buffer.from(text)]));
    };
    console.log("the runtime runs");
    for (;;) { const { id } = await next(); write("two\\nlines"); await respond(id, "1"); }`;
    await startWithEar({ files: { bootstrap: runtimeProgram(script) } });
    await whenReady(played);
    const { environment } = played;
    const { headers } = await environment.invoke("{}", { headers: { "x-amz-log-type": "Tail" } });
    const tail = Buffer.from(String(headers["x-amz-log-result"]), "base64").toString();
    assert.match(tail, /^START RequestId: [^]*\ntwo\nlines\n[^]*\nREPORT RequestId: /);
    await environment.printed("REPORT RequestId");
    assert.match(environment.output, /\nSTART RequestId: [^]*\ntwo\nlines\n[^]*\nREPORT RequestId: /);
    await environment.agent.stop();
    await environment.printed("event SHUTDOWN");
    assert.deepEqual(printedRecords("function"), ["the runtime runs\n", "two\nlines\n"]);
  });

  it("telemetry-api 35, 36: an external extension's line comes before START; it hears the end before it is shut down", async () => {
    const script = `for (;;) { const { id } = await next(); console.log("last words"); await respond(id, "1"); }`;
    await startWithEar({ files: { bootstrap: runtimeProgram(`console.log("the runtime runs");${script}`) } });
    await whenReady(played);
    const { environment } = played;
    await environment.invoke("{}");
    await environment.printed("REPORT RequestId");
    assert.deepEqual(printedRecords("function"), []);
    await environment.agent.stop();
    await environment.printed("event SHUTDOWN");
    const places = [
      "EXTENSION\tName: ear.js\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
      "START RequestId",
      "last words",
      "REPORT RequestId",
      '"type":"function","record":"last words\\n"',
      "event SHUTDOWN",
    ].map((text) => environment.output.indexOf(text));
    assert.ok(!places.includes(-1), environment.output);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
  });
});
