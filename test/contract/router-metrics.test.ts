import assert from "node:assert/strict";
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
