/** Chains of calls that come back to their function: how many run, who is told, and what the AWS SDK passes on by itself. */
import assert from "node:assert/strict";
import { InvokeCommand, LambdaClient, RecursiveInvocationException } from "@aws-sdk/client-lambda";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

describe("recursive loops", () => {
  let world: RouterWorld;
  let loop: Stored<FunctionObject>;
  let agents: ScriptedAgent[];
  let sdk: LambdaClient;

  before(async () => {
    world = new RouterWorld();
    await world.startRouter();
    loop = await world.addFunction({ name: "loop", spec: { timeout: 30 } });
    // Every run waits for the one that it has started.
    agents = await Promise.all(Array.from({ length: 25 }, () => world.addEnvironment(loop)));
    sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
  });
  after(async () => {
    sdk.destroy();
    await world.close();
  });
  beforeEach(() => {
    for (const agent of agents) agent.calls.length = 0;
  });

  const runs = (): number => agents.reduce((sum, { calls }) => sum + calls.length, 0);

  /** A function that calls itself with its own trace header until it is refused, or has run so often. */
  function callsItself(most: number): void {
    for (const agent of agents) {
      agent.script = async ({ headers }) => {
        if (runs() >= most) return { body: '"enough"' };
        const { status, body } = await world.invoke("loop", "{}", {
          "x-amzn-trace-id": String(headers["x-amzn-trace-id"]),
        });
        return { body: status === 200 ? body : JSON.stringify(`${status}`) };
      };
    }
  }

  it("run 16 times; the 17th call is refused", async () => {
    callsItself(20);
    assert.equal((await world.invoke("loop")).body, '"400"');
    assert.equal(runs(), 16);
  });

  it("run on where the function says Allow", async () => {
    const ref = { kind: functionKind, name: "loop", namespace: "default" };
    await world.store.patch(ref, { spec: { recursiveLoop: "Allow" } });
    callsItself(20);
    assert.equal((await world.invoke("loop")).body, '"enough"');
    assert.equal(runs(), 20);
    await world.store.patch(ref, { spec: { recursiveLoop: null } });
  });

  it("are told apart from calls that only follow each other", async () => {
    for (const agent of agents) agent.script = () => ({ body: "{}" });
    for (let n = 0; n < 20; n += 1) assert.equal((await world.invoke("loop")).status, 200);
  });

  it("an SDK in a function passes the trace on by itself, and has an exception for it", async () => {
    const { _X_AMZN_TRACE_ID: trace, AWS_LAMBDA_FUNCTION_NAME: name } = process.env;
    process.env["AWS_LAMBDA_FUNCTION_NAME"] = "loop";
    try {
      let error: unknown;
      let ran = 0;
      for (const agent of agents) {
        agent.script = ({ headers }) => {
          // What the runtime gives its handler.
          process.env["_X_AMZN_TRACE_ID"] = String(headers["x-amzn-trace-id"]);
          return { body: "{}" };
        };
      }
      delete process.env["_X_AMZN_TRACE_ID"];
      while (error === undefined && ran < 30) {
        error = await sdk.send(new InvokeCommand({ FunctionName: "loop" })).then(
          () => undefined,
          (failure: unknown) => failure,
        );
        ran += error === undefined ? 1 : 0;
      }
      assert.ok(error instanceof RecursiveInvocationException, String(error));
      assert.match(error.message, /recursive loop/);
      assert.equal(ran, 16);
    } finally {
      restore("_X_AMZN_TRACE_ID", trace);
      restore("AWS_LAMBDA_FUNCTION_NAME", name);
    }
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}
