/** Extensions that do it wrong: each gets Lambda's error, and the next invocation works. What the API's cases cover stands beside them. */
import assert from "node:assert/strict";
import { AgentEnvironment, type EnvironmentOptions } from "../kit/agent-environment.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";

const echo = runtimeProgram("for (;;) { const { id, body } = await next(); await respond(id, body); }");

/** An extension in JavaScript. It has `call(method, path, headers, body)`, giving `{ status, headers, body }`, and `register(events)`. */
const extension = (name: string, script: string): string => `#!${process.execPath}
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const call = (method, path, headers, body) => new Promise((resolve, reject) => {
  const sent = http.request({ host, port, method, path, headers }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() }));
  });
  sent.on("error", reject);
  sent.end(body);
});
const register = async (events) => {
  const names = { "lambda-extension-name": ${JSON.stringify(name)} };
  const { headers } = await call("POST", "/2020-01-01/extension/register", names, JSON.stringify({ events }));
  return { "lambda-extension-identifier": headers["lambda-extension-identifier"] };
};
const next = (identity) => call("GET", "/2020-01-01/extension/event/next", identity);
(async () => {
${script}
})();
`;

describe("extensions that do it wrong", function () {
  this.timeout(60_000);
  let environment: AgentEnvironment;

  before(async function () {
    this.timeout(120_000);
    await buildSupervisor();
  });
  afterEach(async () => environment.stop());

  async function start(script: string, options: EnvironmentOptions = {}): Promise<void> {
    const layerFiles = { "extensions/bad": extension("bad", script) };
    environment = await AgentEnvironment.start({ files: { bootstrap: echo }, layerFiles, ...options });
  }

  async function call(payload: string): Promise<string> {
    return (await environment.invoke(payload)).body.toString();
  }

  it("extensions-api 8: one that never registers: the init and the call that repeats it take their whole time", async () => {
    await start("setInterval(() => undefined, 1000);", { document: { initTimeoutMs: 300, timeoutSeconds: 1 } });
    for (const n of [1, 2]) {
      const { body, requestId } = await environment.invoke(String(n));
      assert.deepEqual(JSON.parse(body.toString()), {
        errorType: "Sandbox.Timedout",
        errorMessage: `RequestId: ${requestId} Error: Task timed out after 1.00 seconds`,
      });
    }
  });

  it("extensions-api 8: one that registers and never asks for an event: likewise", async () => {
    await start('await register(["INVOKE"]); setInterval(() => undefined, 1000);', {
      document: { initTimeoutMs: 300, timeoutSeconds: 1 },
    });
    assert.match(await call("1"), /"Sandbox\.Timedout"/);
    assert.match(environment.output, /^INIT_REPORT .*Phase: init\tStatus: timeout/m);
  });

  it("extensions-api 10: one that registers twice is refused, and serves on", async () => {
    await start(`const identity = await register(["INVOKE"]);
      const { status, body } = await call("POST", "/2020-01-01/extension/register", { "lambda-extension-name": "bad" }, "{}");
      console.log("twice " + status + " " + JSON.parse(body).errorType);
      for (;;) await next(identity);`);
    await environment.printed("twice 403 Extension.InvalidExtensionState");
    assert.equal(await call("1"), "1");
  });

  it("lifecycle 19: one that subscribes to nonsense and ends for it, and starts well the second time", async () => {
    await start(`const fs = require("node:fs");
      const identity = await register(["INVOKE"]);
      const mark = process.argv[1] + ".mark";
      if (!fs.existsSync(mark)) {
        fs.writeFileSync(mark, "");
        const subscription = { schemaVersion: "1999-01-01", types: ["Nonsense"], destination: { protocol: "UDP" } };
        const { status, body } = await call("PUT", "/2022-07-01/telemetry", identity, JSON.stringify(subscription));
        console.log("subscribed " + status + " " + JSON.parse(body).errorType);
        process.exit(1);
      }
      for (;;) await next(identity);`);
    await environment.printed("subscribed 400 ValidationError");
    assert.equal(await call("1"), "1");
    assert.match(environment.output, /^INIT_REPORT .*Phase: init\tStatus: error\tError Type: Extension\.Crash/m);
  });

  it("one that floods the API takes no call its answer", async () => {
    await start(
      `const identity = await register(["SHUTDOWN"]);
      void next(identity);
      const flood = async () => {
        for (;;) {
          await next(identity);
          await call("POST", "/2020-01-01/extension/register", { "lambda-extension-name": "bad" }, '{"events":["INVOKE"]}');
          await call("POST", "/2020-01-01/extension/exit/error", identity, "x".repeat(1024 * 1024));
          await call("PUT", "/2022-07-01/telemetry", identity, "[".repeat(100000));
          await call("GET", "/" + "x".repeat(10000), {});
        }
      };
      for (let i = 0; i < 20; i += 1) void flood();`,
      { document: { timeoutSeconds: 20 } },
    );
    for (let n = 1; n <= 50; n += 1) assert.equal(await call(String(n)), String(n));
    await environment.printed("REPORT RequestId", 50);
  });

  it("one that sends rubbish in place of HTTP is cut off, others are served", async () => {
    await start(`const net = require("node:net");
      const identity = await register(["INVOKE"]);
      for (const rubbish of ["\\0\\xff\\n\\n", "GET / HTTP/9.9\\r\\n\\r\\n", "POST /2020-01-01/extension/register HTTP/1.1\\r\\nContent-Length: -1\\r\\n\\r\\n"]) {
        await new Promise((resolve) => net.connect(port, host).on("close", resolve).on("error", resolve).resume().end(rubbish, "latin1"));
      }
      console.log("all cut off");
      for (;;) await next(identity);`);
    await environment.printed("all cut off");
    assert.equal(await call("1"), "1");
  });
});
