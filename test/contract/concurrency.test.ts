/** Concurrency as the functions themselves record it: real routers, one or three, on a real API server, with real agents. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterFleet, type FleetAnswer, type FleetRouter } from "../kit/fleet/router-fleet.ts";
import { mostAtOnce } from "../kit/fleet/run-record.ts";

const accountLimit = 5;

function reasonOf({ body }: FleetAnswer): string | undefined {
  return (JSON.parse(body) as { readonly Reason?: string }).Reason;
}

describe("concurrency over routers", () => {
  let fleet: RouterFleet;
  let hello: Stored<FunctionObject>;

  before(async function () {
    this.timeout(90_000);
    fleet = await RouterFleet.start({ KUBELAMBDA_ACCOUNT_CONCURRENCY: String(accountLimit) });
    await fleet.scaleTo(1);
    hello = await fleet.addFunction("hello", { reserved: 2 });
    const flood = await fleet.addFunction("flood", { timeout: 10 });
    for (const version of [1, 2]) {
      await fleet.addVersion("hello", version);
      await fleet.addVersion("flood", version);
    }
    await fleet.addEnvironments(hello, 3);
    for (const version of ["1", "2"]) await fleet.addEnvironments(hello, 2, version);
    await fleet.addEnvironments(flood, 4);
    for (const version of ["1", "2"]) await fleet.addEnvironments(flood, 1, version);
    for (const name of ["hello", "hello:1", "hello:2", "flood"]) {
      const warm = await fleet.invoke(fleet.routers[0], name);
      assert.equal(warm.status, 200, warm.body);
    }
  });
  after(async function () {
    this.timeout(30_000);
    await fleet.stop();
  });

  for (const count of [1, 3]) {
    describe(`with ${count} ${count === 1 ? "router" : "routers"}`, () => {
      /** The one that owns the account, and one that does not. */
      let owner: FleetRouter;
      let other: FleetRouter;

      before(async function () {
        this.timeout(60_000);
        await fleet.scaleTo(count);
        owner = await fleet.owner();
        other = fleet.routers.find((router) => router !== owner) ?? owner;
        await untilServed();
      });
      beforeEach(async () => await reserve(2));

      async function untilServed(): Promise<void> {
        for (const router of fleet.routers)
          await fleet.world.until("a router serves", async () =>
            (await fleet.invoke(router, "hello")).status === 200 ? true : undefined,
          );
      }

      /** Waits until every router goes by it: the API says nothing of that, so calls do. */
      async function reserve(reserved: number): Promise<void> {
        await fleet.reserve("hello", reserved);
        await fleet.world.until("the owner goes by the new limit", async () => {
          const calls = Array.from({ length: reserved + 1 }, () => fleet.invoke(owner, "hello", { ms: 60 }));
          const taken = (await Promise.all(calls)).filter(({ status }) => status === 200).length;
          return taken === reserved ? true : undefined;
        });
      }

      it("concurrency 6: R = 0 refuses with AWS's body, and runs nothing", async () => {
        await reserve(0);
        const before = fleet.runs("hello").length;
        const answer = await fleet.invoke(other, "hello");
        assert.equal(answer.status, 429);
        assert.equal(answer.headers["x-amzn-errortype"], "TooManyRequestsException");
        assert.equal(answer.headers["retry-after"], "1");
        assert.deepEqual(JSON.parse(answer.body), {
          Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
          Type: "User",
          message: "Rate Exceeded.",
        });
        assert.equal(fleet.runs("hello").length, before);
      });

      it("concurrency 7: with R = 1 a second call is refused at once, whichever router takes it", async () => {
        await reserve(1);
        const running = fleet.invoke(owner, "hello", { ms: 600, id: `running-${count}` });
        await untilBegun(`running-${count}`);
        for (const router of fleet.routers) {
          const answer = await fleet.invoke(router, "hello");
          assert.equal(reasonOf(answer), "ReservedFunctionConcurrentInvocationLimitExceeded");
        }
        assert.equal(fleet.runs("hello").find(({ id }) => id === `running-${count}`)?.endMs, Infinity);
        assert.equal((await running).status, 200);
      });

      it("concurrency 9: R raised from 0 to 1 lets the next call in", async () => {
        await reserve(0);
        await reserve(1);
        assert.equal((await fleet.invoke(other, "hello")).status, 200);
      });

      it("concurrency 10: R lowered below what runs ends nothing", async () => {
        for (const router of new Set([owner, other])) {
          await reserve(2);
          const id = `outlasting-${count}-${router.podName}`;
          const running = fleet.invoke(router, "hello", { ms: 2000, id });
          await untilBegun(id);
          await fleet.reserve("hello", 0);
          // Under the former limit a second call would be let in beside it.
          await fleet.world.until("nothing is let in any more", async () =>
            reasonOf(await fleet.invoke(other, "hello")) === "ReservedFunctionConcurrentInvocationLimitExceeded"
              ? true
              : undefined,
          );
          assert.equal(fleet.runs("hello").find((run) => run.id === id)?.endMs, Infinity);
          const answer = await running;
          assert.equal(answer.status, 200, answer.body);
          assert.equal((JSON.parse(answer.body) as { readonly id: string }).id, id);
        }
      });

      it("concurrency 11: versions share the function's reservation", async () => {
        const calls = [owner, other].map((router) => fleet.invoke(router, "hello:1", { ms: 600 }));
        await untilRunning(2);
        assert.equal(
          reasonOf(await fleet.invoke(other, "hello:2")),
          "ReservedFunctionConcurrentInvocationLimitExceeded",
        );
        assert.deepEqual(
          (await Promise.all(calls)).map(({ status }) => status),
          [200, 200],
        );
        assert.equal((await fleet.invoke(other, "hello:2")).status, 200);
      });

      it("concurrency 12: a function keeps its reservation while another floods the account", async () => {
        const flooding = Array.from({ length: accountLimit }, (_, number) =>
          fleet.invoke(fleet.routers[number % count], "flood", { ms: 900 }),
        );
        await fleet.world.until("the flood runs", async () =>
          Promise.resolve(fleet.runs("flood").filter(({ endMs }) => endMs === Infinity).length >= 3 ? true : undefined),
        );
        const calls = [owner, other].map((router) => fleet.invoke(router, "hello", { ms: 200 }));
        assert.deepEqual(
          (await Promise.all(calls)).map(({ status }) => status),
          [200, 200],
        );
        const flooded = await Promise.all(flooding);
        assert.equal(flooded.filter(({ status }) => status === 200).length, accountLimit - 2);
        for (const answer of flooded.filter(({ status }) => status !== 200))
          assert.equal(reasonOf(answer), "ConcurrentInvocationLimitExceeded");
        assert.equal(mostAtOnce(fleet.runs("flood")), accountLimit - 2);
      });

      it("concurrency 27: with R = 1 10 requests a second are let in, and more are refused for their rate", async () => {
        await reserve(1);
        const answers: FleetAnswer[] = [];
        const beganMs = performance.now();
        let [lastMs, earnedMs] = [beganMs, 0];
        for (let number = 0; lastMs < beganMs + 2000; number += 1) {
          answers.push(await fleet.invoke(fleet.routers[number % count], "hello"));
          const nowMs = performance.now();
          // No more than one second's worth is kept for whoever comes late.
          earnedMs += Math.min(1000, nowMs - lastMs);
          lastMs = nowMs;
        }
        const taken = answers.filter(({ status }) => status === 200).length;
        const told = `${taken} of ${answers.length} were taken in ${lastMs - beganMs} ms`;
        assert.ok(taken <= 10 + (lastMs - beganMs) / 100 + 1, told);
        // The first and the last were decided at some moment between being sent and answered.
        assert.ok(taken >= Math.min(answers.length, earnedMs / 100 - 2), told);
        const reasons = new Set(answers.filter(({ status }) => status !== 200).map(reasonOf));
        assert.deepEqual([...reasons], ["ReservedFunctionInvocationRateLimitExceeded"]);
      });

      it("concurrency 28: sequential calls are served by one environment", async () => {
        const pids = new Set<unknown>();
        for (let number = 0; number < 6; number += 1) {
          const answer = await fleet.invoke(fleet.routers[number % count], "hello:1");
          assert.equal(answer.status, 200, answer.body);
          pids.add((JSON.parse(answer.body) as { readonly pid: number }).pid);
        }
        assert.equal(pids.size, 1);
      });

      it("concurrency 29: after a timeout the next call finds a new process", async () => {
        await reserve(1);
        const timedOut = await fleet.invoke(other, "hello", { ms: 6000, id: `late-${count}` });
        assert.equal(timedOut.status, 200);
        assert.match(timedOut.body, /Task timed out after 3\.00 seconds/);
        const old = fleet.runs("hello").find(({ id }) => id === `late-${count}`)?.pid;
        const next = await fleet.invoke(other, "hello");
        assert.equal(next.status, 200, next.body);
        assert.notEqual((JSON.parse(next.body) as { readonly pid: number }).pid, old);
      });

      it("concurrency 31: both versions behind a weighted alias are counted by themselves, over all routers together", async () => {
        await fleet.pointAlias("flood", `split${count}`, "1", { "2": 0.5 });
        const alias = `flood:split${count}`;
        await fleet.world.until("the alias is known", async () =>
          (await fleet.invoke(other, alias)).status === 200 ? true : undefined,
        );
        const ran = { "1": 0, "2": 0 };
        const before = await invocationsOf(alias);
        for (let number = 0; number < 30; number += 1) {
          const { headers } = await fleet.invoke(fleet.routers[number % count], alias);
          ran[headers["x-amz-executed-version"] as "1" | "2"] += 1;
        }
        const after = await invocationsOf(alias);
        assert.deepEqual(
          after.map((counted, place) => counted - (before[place] ?? 0)),
          [ran["1"], ran["2"]],
        );
        assert.ok(ran["1"] > 0 && ran["2"] > 0);
      });

      async function invocationsOf(resource: string): Promise<readonly number[]> {
        const counted = ["1", "2"].map((version) =>
          fleet.metric("kubelambda_invocations_total", `resource="${resource}"`, `executed_version="${version}"`),
        );
        return await Promise.all(counted);
      }

      it("concurrency 32: a throttled call is a throttle, no invocation and no error, at whichever router it came in", async () => {
        await reserve(0);
        const metrics = ["throttles", "invocations", "errors"];
        const read = async () =>
          await Promise.all(metrics.map((name) => fleet.metric(`kubelambda_${name}_total`, 'function="hello"')));
        const before = await read();
        for (const router of fleet.routers) assert.equal((await fleet.invoke(router, "hello")).status, 429);
        const after = await read();
        assert.deepEqual(
          after.map((counted, place) => counted - (before[place] ?? 0)),
          [count, 0, 0],
        );
      });

      it("never ran more at once than its reservation", () => {
        assert.equal(mostAtOnce(fleet.runs("hello")), 2);
      });

      async function untilBegun(id: string): Promise<void> {
        await fleet.world.until("it runs", async () =>
          Promise.resolve(fleet.runs("hello").some((run) => run.id === id) ? true : undefined),
        );
      }

      async function untilRunning(many: number): Promise<void> {
        await fleet.world.until(`${many} run`, async () => {
          const isRunning = fleet.runs("hello").filter(({ endMs, id }) => endMs === Infinity && !id.startsWith("late"));
          return Promise.resolve(isRunning.length === many ? true : undefined);
        });
      }
    });
  }
});
