/** What the router's access log says of calls, and what it must not. */
import assert from "node:assert/strict";
import { InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

type Line = Readonly<Record<string, unknown>>;

describe("access log", () => {
  let world: RouterWorld;
  let agent: ScriptedAgent;
  before(async () => {
    world = new RouterWorld();
    await world.startRouter({ KUBELAMBDA_ACCESS_LOG: "all" });
    agent = await world.addEnvironment(await world.addFunction({ name: "hello" }));
  });
  after(async () => world.close());
  beforeEach(() => {
    world.accessLog = "";
    agent.script = ({ event }) => ({ body: event, headers: { "x-kubelambda-duration-ms": "1.5" } });
  });

  /** Lines follow their answers within a turn. */
  async function lines(count: number): Promise<readonly Line[]> {
    for (let turn = 0; turn < 1000 && world.accessLog.split("\n").length <= count; turn += 1)
      await new Promise((resolve) => setTimeout(resolve, 1));
    const written = world.accessLog.split("\n").slice(0, -1);
    assert.equal(written.length, count, world.accessLog);
    return written.map((line) => JSON.parse(line) as Line);
  }

  it("has one line for a call, with what it was and how long its parts took", async () => {
    const { headers } = await world.invoke("hello", '{"secret":1}', { "user-agent": "tester/1 \u00e9" });
    const [line] = await lines(1);
    assert.equal(line?.["requestId"], headers["x-amzn-requestid"]);
    const said = ["log", "operation", "namespace", "function", "executedVersion", "status", "result", "caller"];
    assert.deepEqual(
      said.map((name) => line?.[name]),
      ["access", "Invoke", "default", "hello", "$LATEST", 200, "ok", "anonymous"],
    );
    assert.deepEqual([line?.["eventBytes"], line?.["answerBytes"], line?.["functionMs"]], [12, 12, 1.5]);
    assert.equal(line?.["remoteAddress"], "127.0.0.1");
    assert.equal(line["environment"], agent.podUid);
    assert.ok(Number(line["durationMs"]) > 0);
    assert.ok(!world.accessLog.includes("secret"));
  });

  it("has one for a call that was refused, whether or not its function is known", async () => {
    await world.invoke("nobody");
    await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
    await world.invoke("off");
    const [unknown, throttled] = await lines(2);
    assert.deepEqual([unknown?.["status"], unknown?.["result"]], [404, "ResourceNotFoundException"]);
    assert.equal(unknown?.["function"], undefined);
    assert.deepEqual(
      [throttled?.["status"], throttled?.["result"], throttled?.["function"]],
      [429, "TooManyRequestsException", "off"],
    );
  });

  it("has one for a function's error", async () => {
    agent.script = () => ({ body: "{}", headers: { "x-amz-function-error": "Unhandled" } });
    await world.invoke("hello");
    const [line] = await lines(1);
    assert.deepEqual([line?.["status"], line?.["result"]], [200, "function_error"]);
  });

  it("has one for a stream at its end, with all that was sent", async () => {
    agent.script = () => ({ chunks: ["a".repeat(1000), "b".repeat(1000)] });
    const sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "dummy" },
    });
    const { EventStream = [] } = await sdk.send(new InvokeWithResponseStreamCommand({ FunctionName: "hello" }));
    for await (const _ of EventStream);
    sdk.destroy();
    const [line] = await lines(1);
    assert.deepEqual([line?.["operation"], line?.["result"]], ["InvokeWithResponseStream", "ok"]);
    assert.ok(Number(line?.["answerBytes"]) >= 2000);
    assert.ok(!/AKIDEXAMPLE|Signature|authorization/i.test(world.accessLog));
  });

  it("counts what it has written", async () => {
    await world.invoke("hello");
    await lines(1);
    const metrics = await (await fetch(`http://127.0.0.1:${world.router.healthPort}/metrics`)).text();
    const line = metrics.split("\n").find((text) => text.startsWith("kubelambda_router_access_log_lines_total{"));
    assert.match(line ?? "none", /\{result="written"\} [1-9]$/);
  });
});
