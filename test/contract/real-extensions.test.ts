/** Extensions as others write them, unmodified, in processes: a real agent and supervisor, a folder that lies over /opt. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { freePorts } from "../../lib/free-ports.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { buildLayer } from "../extensions/build.ts";
import { arn, AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const buildLimitMs = 20 * 60_000;
const echo = runtimeProgram(`for (;;) {
  const { id, body } = await next();
  console.log("handled " + id);
  await respond(id, body);
}`);
const jsonAfter = (output: string, prefix: string): unknown[] =>
  output
    .split("\n")
    .filter((line) => line.startsWith(prefix))
    .map((line) => JSON.parse(line.slice(prefix.length)) as unknown);

interface Told {
  readonly type: string;
  readonly time: string;
  readonly record: Readonly<Record<string, unknown>>;
}

describe("real extensions", function () {
  this.timeout(60_000);
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(buildLimitMs);
    await buildSupervisor();
    for (const name of ["go", "rust", "python", "web-adapter", "otel"] as const) await buildLayer(name);
  });
  afterEach(async () => environment.stop());

  async function start(layer: Parameters<typeof buildLayer>[0], options: EnvironmentOptions = {}): Promise<void> {
    const { opt } = await buildLayer(layer);
    environment = await AgentEnvironment.start({ files: { bootstrap: echo }, opt, ...options });
  }

  /** Of the process that the supervisor has started from this file. */
  function pidOf(file: string): number {
    const supervisor = environment.supervisor.pid ?? 0;
    const threads = readdirSync(`/proc/${supervisor}/task`);
    const children = threads.map((thread) => readFileSync(`/proc/${supervisor}/task/${thread}/children`, "utf8"));
    const pids = children.join(" ").split(" ").filter(Boolean);
    return Number(pids.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(file)));
  }

  const layouts = { "in the runtime's container": [], "in a container of its own": ["go-extension"] };
  for (const [where, ownContainers] of Object.entries(layouts)) {
    it(`extensions-api 1, 5, 6, 16, 17, 22, 35, telemetry-api 35: one in Go ${where} hears of all`, async () => {
      await start("go", { ownContainers });
      await hearsOfAll();
    });
  }

  async function hearsOfAll(): Promise<void> {
    const { output } = environment;
    const registered = { functionName: "probe", functionVersion: "$LATEST", handler: "index.handler" };
    assert.deepEqual(jsonAfter(output, "go-extension registered "), [{ ...registered, accountId: "000000000001" }]);
    const { requestId, body } = await environment.invoke('{"secret":1}');
    assert.equal(body.toString(), '{"secret":1}');
    await environment.printed("go-extension event ");
    const [event] = jsonAfter(environment.output, "go-extension event ") as Record<string, unknown>[];
    assert.deepEqual(
      { ...event, deadlineMs: 0 },
      { eventType: "INVOKE", deadlineMs: 0, requestId, invokedFunctionArn: arn },
    );
    assert.match(environment.output, /^EXTENSION\tName: go-extension\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]$/m);
    await environment.agent.stop();
    await environment.printed('"eventType":"SHUTDOWN"');
    const shutdown = jsonAfter(environment.output, "go-extension event ").at(-1) as Record<string, unknown>;
    assert.equal(shutdown["shutdownReason"], "SPINDOWN");
    assert.ok(Math.abs(Number(shutdown["deadlineMs"]) - Date.now()) < 10_000);
  }

  it("lifecycle 4, 20, extensions-api 28, 32: killed while idle: the next call has new processes", async () => {
    await start("go");
    assert.equal((await environment.invoke('"idle"')).body.toString(), '"idle"');
    const pid = pidOf("/opt/extensions/go-extension");
    process.kill(pid, "SIGKILL");
    // Its supervisor has taken its end, and so the agent is being told.
    await waitUntil(
      { what: "the extension is gone", timeoutMs: 5000, everyMs: 20 },
      () => !existsSync(`/proc/${pid}`) || undefined,
    );
    await environment.state();
    assert.equal((await environment.invoke('"anew"')).body.toString(), '"anew"');
    await environment.printed("go-extension registered ", 2);
  });

  it("lifecycle 19, extensions-api 28: killed in an invocation: the caller is told, the next call works", async () => {
    const waiting = runtimeProgram(`for (;;) {
      const { id, body } = await next();
      if (body === '"wait"') console.log("the handler waits");
      else await respond(id, body);
    }`);
    await start("go", { files: { bootstrap: waiting }, document: { timeoutSeconds: 60 } });
    const running = environment.invoke('"wait"');
    await environment.printed("the handler waits");
    process.kill(pidOf("/opt/extensions/go-extension"), "SIGKILL");
    const { body, requestId } = await running;
    assert.deepEqual(JSON.parse(body.toString()), {
      errorType: "Extension.Crash",
      errorMessage: `RequestId: ${requestId} Error: signal: killed`,
    });
    assert.equal((await environment.invoke('"anew"')).body.toString(), '"anew"');
  });

  it("telemetry-api 19, 25, 31: AWS's crate in Rust takes every batch over HTTP", async () => {
    const [port] = await freePorts(1);
    await start("rust", { document: { variables: { RUST_EXTENSION_PORT: String(port) } } });
    const { requestId } = await environment.invoke("1");
    await environment.invoke("2");
    await environment.printed('"type":"platform.report"', 2);
    await environment.printed("rust-extension INVOKE", 2);
    const events = jsonAfter(environment.output, "rust-extension telemetry ") as Told[];
    const [first] = events;
    assert.equal(first?.type, "platform.initStart", "telemetry-api 15");
    const ours = events.filter(({ record }) => record["requestId"] === requestId).map(({ type }) => type);
    assert.deepEqual(ours, ["platform.start", "platform.runtimeDone", "platform.report"]);
    const lines = events
      .filter(({ type }) => type === "function")
      .map(({ record }) => (record as unknown as string).trim());
    assert.ok(lines.includes(`handled ${requestId}`), JSON.stringify(lines));
    assert.doesNotMatch(environment.output, /Error serving connection|failed to/i);
    await environment.agent.stop();
    await environment.printed("rust-extension SHUTDOWN SPINDOWN");
  });

  it("telemetry-api 14, 16, 21, extensions-api 27: one in Python hears telemetry over TCP and no SHUTDOWN", async () => {
    const [port] = await freePorts(1);
    await start("python", { document: { variables: { PYTHON_EXTENSION_PORT: String(port) } } });
    await environment.printed('python-extension subscribed "OK"');
    const { requestId } = await environment.invoke("1");
    await environment.printed('"type":"platform.report"');
    const events = jsonAfter(environment.output, "python-extension telemetry ") as Told[];
    const done = events.find(({ type }) => type === "platform.runtimeDone");
    assert.equal(done?.record["requestId"], requestId);
    assert.equal(done.record["status"], "success");
    assert.equal("errorType" in done.record, false);
    await environment.agent.stop();
    const heard = jsonAfter(environment.output, "python-extension event ") as { eventType: string }[];
    assert.deepEqual(
      heard.map(({ eventType }) => eventType),
      ["INVOKE"],
    );
  });

  describe("AWS Lambda Web Adapter", () => {
    const express = createRequire(import.meta.url).resolve("express");
    const app = `const app = require(${JSON.stringify(express)})();
      app.get("/", (request, response) => response.send("ready"));
      app.get("/hello/:name", (request, response) => response.json({ hello: request.params.name, query: request.query }));
      app.get("/stream", async (request, response) => {
        response.type("text/plain");
        for (const part of ["one ", "two ", "three"]) {
          response.write(part);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        response.end();
      });
      app.get("/fails", () => { throw new Error("no page"); });
      app.listen(Number(process.env.AWS_LWA_PORT), () => console.log("express listens"));`;
    const page = (path: string): string =>
      JSON.stringify({
        version: "2.0",
        rawPath: path,
        rawQueryString: "a=1",
        headers: { host: "example.test" },
        requestContext: { http: { method: "GET", path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "t" } },
        isBase64Encoded: false,
      });

    async function startAdapter(more: Readonly<Record<string, string>> = {}): Promise<void> {
      const [port] = await freePorts(1);
      const variables = { AWS_LWA_PORT: String(port), ...more };
      const files = { bootstrap: `#!/bin/sh\nexec ${process.execPath} app.cjs\n`, "app.cjs": app };
      await start("web-adapter", { files, document: { variables } });
    }

    it("runtime-api 37, extensions-api 19: serves an Express app, whole", async () => {
      await startAdapter();
      const answer = JSON.parse((await environment.invoke(page("/hello/you"))).body.toString()) as {
        readonly statusCode: number;
        readonly body: string;
      };
      assert.equal(answer.statusCode, 200);
      assert.deepEqual(JSON.parse(answer.body), { hello: "you", query: { a: "1" } });
      const failed = JSON.parse((await environment.invoke(page("/fails"))).body.toString()) as { statusCode: number };
      assert.equal(failed.statusCode, 500);
      assert.match(environment.output, /^EXTENSION\tName: lambda-adapter\tState: Ready\tEvents: \[\]$/m);
    });

    it("runtime-api 16, 37: serves an Express app as a stream", async () => {
      await startAdapter({ AWS_LWA_INVOKE_MODE: "response_stream" });
      const { body, headers } = await environment.invoke(page("/stream"));
      const [prelude = "", text] = body.toString().split("\0".repeat(8));
      assert.equal((JSON.parse(prelude) as { statusCode: number }).statusCode, 200);
      assert.equal(text, "one two three");
      assert.equal(headers["content-type"], "application/vnd.awslambda.http-integration-response");
    });
  });

  it("Serverless's OpenTelemetry extension starts, subscribes by the Logs API, and lets the function be", async () => {
    await start("otel", {
      document: { variables: { DO_NOT_WAIT: "1", SLS_OTEL_REPORT_TYPE: "json", DEBUG_SLS_OTEL_LAYER: "1" } },
    });
    assert.equal((await environment.invoke('"one"')).body.toString(), '"one"');
    assert.equal((await environment.invoke('"two"')).body.toString(), '"two"');
    assert.match(environment.output, /^EXTENSION\tName: otel-extension\tState: Ready\tEvents: \[INVOKE, SHUTDOWN\]$/m);
    assert.match(environment.output, /^LOGS\tName: otel-extension\tState: Subscribed\tTypes: \[.*\]$/m);
    assert.doesNotMatch(environment.output, /register failed|subscription failed|not supported|next failed/);
  });
});
