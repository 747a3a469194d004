/** An owner that ends as it is told to: what its clients see, and what its successor knows of the scaling rate. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { Agent } from "undici";
import { RouterFleet, type FleetAnswer } from "../kit/fleet/router-fleet.ts";

const burst = 4;

describe("an owner that ends", () => {
  let fleet: RouterFleet;

  before(async function () {
    this.timeout(90_000);
    fleet = await RouterFleet.start({ KUBELAMBDA_SCALING_BURST: String(burst) });
    await fleet.scaleTo(3);
  });
  after(async function () {
    this.timeout(30_000);
    await fleet.stop();
  });

  async function endOwner(): Promise<void> {
    await fleet.stopRouter(await fleet.owner());
  }

  it("has an answer for whoever keeps connections to it open, tells them to leave, and ends once another owns its accounts", async function () {
    this.timeout(30_000);
    const hello = await fleet.addFunction("hello");
    await fleet.addEnvironments(hello, 2);
    const owner = await fleet.owner();
    const dispatcher = new Agent({ connections: 1, keepAliveTimeout: 60_000 });
    const call = async (): Promise<FleetAnswer> => await fleet.invoke(owner, "hello", {}, dispatcher);
    await fleet.world.until("it is served", async () => ((await call()).status === 200 ? true : undefined));
    let ending: Promise<void> | undefined;
    const before: unknown[] = [];
    const after: unknown[] = [];
    let refusal: unknown;
    for (let number = 0; refusal === undefined && number < 1000; number += 1) {
      if (number === 10) owner.process.kill("SIGTERM");
      // For longer than it drains nobody has taken its place, as when the operator ends too.
      if (number === 110) ending = endOwner();
      try {
        const { status, headers } = await call();
        assert.equal(status, 200);
        (number < 10 ? before : after).push(headers["connection"]);
      } catch (error) {
        refusal = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await ending;
    await dispatcher.destroy();
    assert.deepEqual(new Set(before), new Set(["keep-alive"]));
    assert.ok(after.length > 100, `it ended after ${after.length} answers`);
    assert.ok(after.includes("close"));
    assert.deepEqual(new Set(after.slice(after.indexOf("close"))), new Set(["close"]));
    // Reset is what the kernel had accepted for it at the moment when it stopped to listen.
    assert.match(String((refusal as { code?: string } | undefined)?.code), /^ECONNRE(FUSED|SET)$/, String(refusal));
    const next = await fleet.invoke(await fleet.owner(), "hello");
    assert.equal(next.status, 200);
  });

  it("hands over what the scaling rate has let in: no more come than may, and who waits is not refused", async function () {
    this.timeout(60_000);
    const slow = await fleet.addFunction("slow", { timeout: 30 });
    await fleet.world.until("routers know it", async () => {
      const [router] = fleet.routers;
      return (await fleet.invoke(router, "slow:none")).status === 404 ? true : undefined;
    });
    const answers: FleetAnswer[] = [];
    const owner = await fleet.owner();
    const carrier = fleet.routers.find((router) => router !== owner);
    const flood = (count: number, into: FleetAnswer[]): Promise<unknown>[] =>
      Array.from({ length: count }, async () => into.push(await fleet.invoke(carrier, "slow", { ms: 3000 })));
    const waiting = Array.from({ length: burst }, () => fleet.invoke(carrier, "slow", { ms: 3000 }));
    await fleet.world.until("they wait", () => Promise.resolve(fleet.operator.needed === burst ? true : undefined));
    await Promise.all(flood(6, answers));
    assert.deepEqual(statusesOf(answers), Array<number>(6).fill(429), "the rate is used up");
    for (const { body, headers } of answers) {
      assert.deepEqual(JSON.parse(body), {
        Reason: "ConcurrentInvocationLimitExceeded",
        Type: "User",
        message: "Rate Exceeded.",
      });
      assert.equal(headers["retry-after"], "1");
    }
    // What an operator would make for those that wait.
    const madeAtMs = performance.now();
    await fleet.addEnvironments(slow, burst);
    await endOwner();
    await fleet.world.until("who waited runs", () =>
      Promise.resolve(fleet.runs("slow").length >= burst ? true : undefined),
    );
    const later: FleetAnswer[] = [];
    const flooding = flood(6, later);
    const earned = Math.floor((burst * (performance.now() - madeAtMs)) / 10_000) + 1;
    await Promise.all(flooding);
    const served = await Promise.all(waiting);
    assert.deepEqual(statusesOf(served), Array<number>(burst).fill(200), "who waited is served");
    const more = later.filter(({ status }) => status !== 429).length;
    assert.ok(more <= earned, `${more} more were let in, where ${earned} had been earned`);
  });
});

function statusesOf(answers: readonly FleetAnswer[]): readonly number[] {
  return answers.map(({ status }) => status);
}
