import assert from "node:assert/strict";
import { accountIdOf } from "../../crds/names.ts";
import { RouterWorld } from "../kit/router-world.ts";

describe("metrics of a router", () => {
  let world: RouterWorld;
  before(async () => {
    world = new RouterWorld();
    await world.startRouter();
  });
  after(async () => world.close());

  async function value(name: string, ...labels: readonly string[]): Promise<number | undefined> {
    const answer = await fetch(`http://127.0.0.1:${world.router.healthPort}/metrics`);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/);
    const lines = (await answer.text()).split("\n");
    const line = lines.find((text) => text.startsWith(name) && labels.every((label) => text.includes(label)));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  it("concurrency 6, 32: a throttled call is a throttle of its function, and no invocation", async () => {
    await world.addFunction({ name: "off", spec: { reservedConcurrentExecutions: 0 } });
    assert.equal((await world.invoke("off")).status, 429);
    const reason = 'reason="ReservedFunctionConcurrentInvocationLimitExceeded"';
    assert.equal(await value("kubelambda_throttles_total", 'function="off"', reason), 1);
    assert.equal(await value("kubelambda_invocations_total", 'function="off"'), 0);
  });

  it("tell what the function took as its agent says, and what agent and router added", async () => {
    const agent = await world.addEnvironment(await world.addFunction({ name: "slow" }));
    const headers = { "x-kubelambda-duration-ms": "40.5", "x-kubelambda-init-ms": "300" };
    agent.script = () => ({ body: "1", headers });
    assert.equal((await world.invoke("slow")).status, 200);
    assert.equal(await value("kubelambda_duration_seconds_sum", 'function="slow"'), 0.0405);
    assert.equal(await value("kubelambda_router_function_seconds_sum"), 0.0405);
    assert.equal(await value("kubelambda_router_init_seconds_sum"), 0.3);
    assert.equal(await value("kubelambda_router_agent_overhead_seconds_count"), 1);
    assert.ok(((await value("kubelambda_router_overhead_seconds_sum")) ?? 0) > 0);
  });

  it("tell how an environment came up, as the agent says with its first answer", async () => {
    const agent = await world.addEnvironment(await world.addFunction({ name: "new" }));
    const first = { "x-kubelambda-start-ms": "800", "x-kubelambda-fetch-ms": "120", "x-kubelambda-ready-ms": "3" };
    agent.script = () => ({ body: "1", headers: agent.calls.length === 1 ? first : {} });
    for (let call = 0; call < 3; call += 1) assert.equal((await world.invoke("new")).status, 200);
    assert.equal(await value("kubelambda_router_start_seconds_sum"), 0.8);
    assert.equal(await value("kubelambda_router_start_seconds_count"), 1);
    assert.equal(await value("kubelambda_router_fetch_seconds_sum"), 0.12);
  });

  it("PostRuntimeExtensionsDuration: what extensions took after the call before", async () => {
    const agent = await world.addEnvironment(await world.addFunction({ name: "extended" }));
    agent.script = () => ({ body: "1", headers: { "x-kubelambda-extensions-ms": "20" } });
    await world.invoke("extended");
    const name = "kubelambda_post_runtime_extensions_duration_seconds";
    assert.equal(await value(`${name}_sum`, 'function="extended"'), 0.02);
    assert.equal(await value(`${name}_count`, 'function="extended"'), 1);
    assert.equal(await value(`${name}_count`, 'function="new"'), undefined);
  });

  it("ConcurrentExecutions and what is left of the account, now and at the most", async () => {
    await world.addFunction({ name: "kept", namespace: "team", spec: { reservedConcurrentExecutions: 7 } });
    const held = await world.addFunction({ name: "held", namespace: "team" });
    const agent = await world.addEnvironment(held);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const arrived = Promise.withResolvers<undefined>();
    agent.script = async () => {
      arrived.resolve(undefined);
      await promise;
      return { body: "1" };
    };
    const call = world.invoke(encodeURIComponent(`${accountIdOf("team")}:function:held`));
    await arrived.promise;
    const team = 'namespace="team"';
    assert.equal(await value("kubelambda_concurrent_executions{", team, 'function="held"'), 1);
    assert.equal(await value("kubelambda_unreserved_concurrent_executions{", team), 1);
    assert.equal(await value("kubelambda_claimed_account_concurrency{", team), 8);
    assert.equal(await value("kubelambda_account_concurrency_limit{", team), 1000);
    resolve(undefined);
    assert.equal((await call).status, 200);
    assert.equal(await value("kubelambda_concurrent_executions{", team, 'function="held"'), 0);
    assert.equal(await value("kubelambda_concurrent_executions_max{", team, 'function="held"'), 1);
    assert.equal(await value("kubelambda_unreserved_concurrent_executions{", team), 0);
    assert.equal(await value("kubelambda_concurrent_executions{", 'function="kept"'), undefined);
  });

  it("RecursiveInvocationsDropped: a call of a chain that comes back too often, and no invocation", async () => {
    await world.addEnvironment(await world.addFunction({ name: "again" }));
    let trace = "";
    for (let run = 0; run < 17; run += 1) {
      const { headers } = await world.invoke("again", "{}", trace === "" ? {} : { "x-amzn-trace-id": trace });
      trace = String(headers["x-amzn-trace-id"] ?? trace);
    }
    assert.equal(await value("kubelambda_recursive_invocations_dropped_total", 'function="again"'), 1);
    assert.equal(await value("kubelambda_invocations_total", 'function="again"'), 16);
  });

  it("count a function's errors among its invocations", async () => {
    const agent = await world.addEnvironment(await world.addFunction({ name: "broken" }));
    agent.script = () => ({ body: "{}", headers: { "x-amz-function-error": "Unhandled" } });
    await world.invoke("broken");
    assert.equal(await value("kubelambda_invocations_total", 'function="broken"'), 1);
    assert.equal(await value("kubelambda_errors_total", 'function="broken"'), 1);
  });

  it("say nothing of a function that is not there", async () => {
    assert.equal((await world.invoke("nobody")).status, 404);
    assert.equal(await value("kubelambda_invocations_total", 'function="nobody"'), undefined);
  });
});
