/** What is kept ready, as the functions themselves record it: real routers, one or three, on a real API server, with real agents. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { request } from "undici";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { GrantedConcurrency } from "../../crds/v1alpha1/invoke-config.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterFleet, type FleetAnswer } from "../kit/fleet/router-fleet.ts";
import { mostAtOnce } from "../kit/fleet/run-record.ts";

const provisioned = "provisioned-concurrency";
const onDemand = "on-demand";
const refused = "ReservedFunctionConcurrentInvocationLimitExceeded";

function kept(version: string, requested: number, available = requested): GrantedConcurrency {
  return {
    provisioned: [{ qualifier: version, functionVersion: version, requested, allocated: requested, available }],
  };
}

/** What a call ran in, or why it did not. */
function outcomeOf({ status, body }: FleetAnswer): string {
  const told = JSON.parse(body) as { readonly type?: string; readonly Reason?: string };
  return status === 200 ? (told.type ?? "?") : (told.Reason ?? body);
}

describe("provisioned concurrency over routers", () => {
  let fleet: RouterFleet;
  let hello: Stored<FunctionObject>;

  before(async function () {
    this.timeout(90_000);
    fleet = await RouterFleet.start();
    await fleet.scaleTo(1);
    hello = await fleet.addFunction("hello");
    for (const version of [1, 2]) await fleet.addVersion("hello", version);
    await fleet.addEnvironments(hello, 1);
    for (const version of ["1", "2"]) await fleet.addEnvironments(hello, 2, version);
    await fleet.addProvisioned(hello, 2, "1");
    await fleet.addProvisioned(hello, 1, "2");
  });
  after(async function () {
    this.timeout(30_000);
    await fleet.stop();
  });

  for (const count of [1, 3]) {
    describe(`with ${count} ${count === 1 ? "router" : "routers"}`, () => {
      before(async function () {
        this.timeout(60_000);
        await fleet.scaleTo(count);
        await grant({}, ["hello:1", onDemand], ["hello:2", onDemand], ["hello", onDemand]);
      });

      /** So many calls at once, each at the next router. */
      async function atOnce(...names: readonly string[]): Promise<readonly string[]> {
        const calls = names.map((name, number) => fleet.invoke(fleet.routers[number % count], name, { ms: 300 }));
        return (await Promise.all(calls)).map(outcomeOf).sort();
      }

      /** Until calls, one after another, run in what they should: so every router has seen it. */
      async function grant(
        concurrency: GrantedConcurrency,
        ...want: readonly (readonly [string, string])[]
      ): Promise<void> {
        await fleet.grant("hello", concurrency);
        for (const [name, type] of want)
          for (const router of fleet.routers)
            await fleet.world.until(`"${name}" runs in ${type}`, async () =>
              outcomeOf(await fleet.invoke(router, name)) === type ? true : undefined,
            );
      }

      it("concurrency 25: what is not complete is not used", async () => {
        await grant(kept("1", 3, 0), ["hello:1", onDemand]);
        assert.deepEqual(await atOnce("hello:1", "hello:1"), [onDemand, onDemand]);
      });

      it("concurrency 15, 16: it is used first, and what is more runs on demand", async () => {
        await grant(kept("1", 2), ["hello:1", provisioned]);
        assert.deepEqual(await atOnce("hello:1", "hello:1", "hello:1"), [onDemand, provisioned, provisioned]);
        assert.deepEqual(await atOnce("hello", "hello:2"), [onDemand, onDemand]);
      });

      it("concurrency 17: R = P leaves nothing to $LATEST and to other versions", async () => {
        await grant({ ...kept("1", 2), reservedConcurrentExecutions: 2 }, ["hello", refused], ["hello:1", provisioned]);
        assert.deepEqual(await atOnce("hello", "hello:2"), [refused, refused]);
      });

      it("concurrency 18: with R = P = 2 one of three calls of the version is refused", async () => {
        const before = fleet.runs("hello").length;
        assert.deepEqual(await atOnce("hello:1", "hello:1", "hello:1"), [refused, provisioned, provisioned]);
        assert.equal(mostAtOnce(fleet.runs("hello").slice(before)), 2);
      });

      it("concurrency 22: when the status moves it, the other version's is used, and none of both at once", async () => {
        await grant(
          { ...kept("2", 1), reservedConcurrentExecutions: 1 },
          ["hello:2", provisioned],
          ["hello:1", refused],
        );
        assert.deepEqual(await atOnce("hello:2", "hello:1"), [refused, provisioned].sort());
      });

      it("metrics: busy, allocated and share, calls and spill-over", async () => {
        await grant(kept("1", 2), ["hello:1", provisioned], ["hello", onDemand]);
        const before = await sums();
        const running = atOnce("hello:1", "hello:1", "hello:1");
        await fleet.world.until("all three run", async () =>
          Promise.resolve(
            fleet.runs("hello").filter(({ endMs }) => endMs === Infinity).length === 3 ? true : undefined,
          ),
        );
        const during = await sums();
        await running;
        const after = await sums();
        assert.deepEqual(
          ["concurrent_executions", "concurrency_allocated", "concurrency_utilization"].map((name) => during[name]),
          [2, 2, 1],
        );
        assert.equal(after["concurrent_executions"], 0);
        const more = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
        assert.equal(more("concurrency_invocations_total"), 2);
        assert.equal(more("concurrency_spillover_invocations_total"), 1);
      });

      /** Over all routers, of version 1. */
      async function sums(): Promise<Readonly<Record<string, number>>> {
        const totals: Record<string, number> = {};
        for (const { ports, podIP } of fleet.routers) {
          const answer = await request(`http://${podIP}:${ports.healthPort}/metrics`);
          const lines = (await answer.body.text()).matchAll(
            /^kubelambda_provisioned_(\S+)\{[^}]*resource="hello:1"[^}]*\} (\S+)$/gm,
          );
          for (const [, name = "", value] of lines) totals[name] = (totals[name] ?? 0) + Number(value);
        }
        return totals;
      }
    });
  }

  describe("when something is lost", () => {
    it("calls go on on demand until a lost environment is replaced, and then use that", async () => {
      fleet.environments.crashOne(({ version, isProvisioned }) => version === "1" && isProvisioned === true);
      await fleet.world.until("both are there again", async () => {
        const calls = [0, 1].map((number) => fleet.invoke(fleet.routers[number], "hello:1", { ms: 200 }));
        const answers = await Promise.all(calls);
        assert.deepEqual(
          answers.map(({ status }) => status),
          [200, 200],
        );
        return answers.every((answer) => outcomeOf(answer) === provisioned) ? true : undefined;
      });
      assert.equal(fleet.environments.endedAtMs.size, 1);
    });

    it("an owner that is gone leaves its successor what is kept ready", async function () {
      this.timeout(60_000);
      await fleet.killRouter(await fleet.owner());
      await fleet.untilRoster(({ replicas }) => replicas.length === 2);
      await fleet.world.until("what is kept ready is used", async () =>
        outcomeOf(await fleet.invoke(fleet.routers[0], "hello:1")) === provisioned ? true : undefined,
      );
    });
  });
});
