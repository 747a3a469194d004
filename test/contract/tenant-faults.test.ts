/** One tenant does its worst; whoever calls another tenant's function notices nothing. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { after, before, beforeEach, describe, it } from "mocha";
import { Agent, request } from "undici";
import { accountIdOf } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const megabyte = 1024 * 1024;
const limits = {
  KUBELAMBDA_DOMAIN: "test",
  KUBELAMBDA_ACCOUNT_CONCURRENCY: 20,
  KUBELAMBDA_REQUESTS_PER_CONCURRENCY: 0,
  KUBELAMBDA_BODY_MEMORY_BYTES: 16 * megabyte,
};

describe("a tenant that does its worst", () => {
  let world: RouterWorld;
  let flood: Stored<FunctionObject>;
  let flooding: Agent;

  before(async () => {
    world = new RouterWorld();
    await world.startRouters(3, limits);
    await world.addEnvironment(await world.addFunction({ name: "quiet", namespace: "quiet" }));
    flood = await world.addFunction({ name: "flood", namespace: "loud" });
  });
  after(async () => await world.close());
  beforeEach(() => (flooding = new Agent({ connections: 1000 })));

  const invocation = (name: string): string => `/2015-03-31/functions/${encodeURIComponent(name)}/invocations`;

  /** Of the tenant who wants nothing but its answer; by any router. */
  async function quiet(): Promise<void> {
    for (const router of world.routers) {
      const answer = await world.call(invocation("quiet"), { body: '"x"', headers: { host: "quiet.test" }, router });
      assert.deepEqual([answer.status, answer.body], [200, '"x"']);
    }
  }

  /** Of the other, over connections of its own. */
  async function loud(name: string, body = "{}"): Promise<Pick<HttpAnswer, "status" | "body">> {
    const url = `http://127.0.0.1:${world.router.invokePort}${invocation(name)}`;
    const answer = await request(url, { method: "POST", headers: { host: "loud.test" }, body, dispatcher: flooding });
    return { status: answer.statusCode, body: await answer.body.text() };
  }

  it("with calls of a function that never gets an environment: they wait up to its limit, the others are refused", async () => {
    const calls = Array.from({ length: 300 }, () => loud("flood"));
    await quiet();
    const first = await Promise.race(calls);
    assert.equal(first.status, 429);
    await quiet();
    const agents = await Promise.all([1, 2, 3].map(() => world.addEnvironment(flood)));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, limits.KUBELAMBDA_ACCOUNT_CONCURRENCY);
    assert.equal(statuses.filter((status) => status === 429).length, 300 - limits.KUBELAMBDA_ACCOUNT_CONCURRENCY);
    assert.ok(agents.every(({ mostAtOnce }) => mostAtOnce <= 1));
    await flooding.close();
  });

  it("with events that fill its share of the memory: others have theirs at once", async () => {
    const hang = Promise.withResolvers<undefined>();
    const held = await world.addFunction({ name: "held", namespace: "loud" });
    const agents = await Promise.all([1, 2, 3, 4, 5, 6].map(() => world.addEnvironment(held)));
    for (const agent of agents)
      agent.script = async () => {
        await hang.promise;
        return { body: "{}" };
      };
    const large = JSON.stringify("x".repeat(3.5 * megabyte));
    const calls = Array.from({ length: 6 }, () => loud("held", large));
    while (world.agents.filter((agent) => agents.includes(agent) && agent.calls.length > 0).length < 2)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const event = JSON.stringify("y".repeat(3 * megabyte));
    const answer = await world.call(invocation("quiet"), { body: event, headers: { host: "quiet.test" } });
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.body.length, event.length);
    hang.resolve(undefined);
    for (const { status } of await Promise.all(calls)) assert.equal(status, 200);
    await flooding.close();
  });

  it("with bodies that never end: others have room", async () => {
    const head = `POST ${invocation("flood")} HTTP/1.1\r\nHost: loud.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`;
    const sockets: Socket[] = Array.from({ length: 50 }, () => connect(world.router.invokePort, "127.0.0.1"));
    for (const socket of sockets) socket.on("error", () => undefined).write(head);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await quiet();
    for (const socket of sockets) socket.destroy();
    await flooding.close();
  });

  it("with two thousand names that are none: each is refused, nothing is remembered of them, and others are served", async function () {
    this.timeout(60_000);
    const long = "n".repeat(50);
    const all = async (from: number): Promise<void> => {
      const calls = Array.from({ length: 1000 }, (_, number) => loud(`${long}-${from + number}:${long}`));
      await quiet();
      for (const { status } of await Promise.all(calls)) assert.equal(status, 404);
    };
    await all(0);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    await all(10_000);
    collectGarbage();
    const grownBytes = process.memoryUsage().heapUsed - before;
    assert.ok(grownBytes < 8 * megabyte, `the heap grew by ${grownBytes} bytes`);
    await flooding.close();
  });

  it("with names of nearly a megabyte: each is refused, nothing is remembered of them", async function () {
    this.timeout(60_000);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let number = 0; number < 60; number += 1)
      assert.equal((await loud(`${number}${"n".repeat(900_000)}`)).status, 400);
    collectGarbage();
    const grownBytes = process.memoryUsage().heapUsed - before;
    assert.ok(grownBytes < 16 * megabyte, `the heap grew by ${grownBytes} bytes`);
  });

  it("with the other's names: what is not granted runs for nobody, by any spelling", async () => {
    const seen = world.agents.reduce((sum, { calls }) => sum + calls.length, 0);
    for (const name of [
      "quiet",
      `${accountIdOf("loud")}:function:quiet`,
      "arn:aws:lambda:us-east-1:000000000000:function:quiet",
      "quiet/quiet",
      "../quiet/quiet",
      "quiet.quiet",
    ]) {
      const { status } = await loud(name);
      assert.ok([400, 404].includes(status), `"${name}": ${status}`);
    }
    assert.equal(
      world.agents.reduce((sum, { calls }) => sum + calls.length, 0),
      seen,
    );
    await flooding.close();
  });
});
