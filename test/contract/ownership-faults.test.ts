/** Routers come, go, freeze, die and are cut off while calls run: limits hold by the functions' own record, and no call runs twice. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { FleetLoad, type LoadCall } from "../kit/fleet/fleet-load.ts";
import { RouterFleet } from "../kit/fleet/router-fleet.ts";
import { mostAtOnce } from "../kit/fleet/run-record.ts";

const reserved = 2;

function refusals(calls: readonly LoadCall[], expected: readonly number[]): readonly string[] {
  return calls.flatMap(({ id, answer }) =>
    answer === undefined || expected.includes(answer.status) ? [] : [`${id}: ${answer.status} ${answer.body}`],
  );
}

describe("ownership under faults", () => {
  let fleet: RouterFleet;

  before(async function () {
    this.timeout(90_000);
    fleet = await RouterFleet.start({ KUBELAMBDA_REQUESTS_PER_CONCURRENCY: "0" });
    await fleet.scaleTo(1);
    const hello = await fleet.addFunction("hello", { reserved });
    await fleet.addEnvironments(hello, 4);
    await fleet.world.until("it is served", async () =>
      (await fleet.invoke(fleet.routers[0], "hello")).status === 200 ? true : undefined,
    );
  });
  after(async function () {
    this.timeout(30_000);
    await fleet.stop();
  });

  /** What must hold after all of it, whatever happened. */
  function judge(calls: readonly LoadCall[]): void {
    const runs = fleet.runs("hello");
    assert.ok(mostAtOnce(runs) <= reserved, `${mostAtOnce(runs)} ran at once`);
    const ids = runs.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "a call ran twice");
    for (const { id, answer } of calls)
      if (answer?.status === 200) assert.ok(ids.includes(id), `${id} was answered and did not run`);
    assert.deepEqual(refusals(calls, [200, 429]), [], "only throttling refuses a call");
  }

  it("scales from one router to three and back without a failed call", async function () {
    this.timeout(60_000);
    const load = new FleetLoad(fleet, { name: "hello", clients: reserved, runMs: 20 });
    await load.untilServed(5);
    await fleet.scaleTo(3);
    await load.untilServed(10);
    await fleet.scaleTo(1);
    await load.untilServed(10);
    const calls = await load.end();
    judge(calls);
    assert.deepEqual(refusals(calls, [200]), []);
  });

  it("an owner that is killed: its own clients' calls are lost, all others go on under the next owner", async function () {
    this.timeout(60_000);
    await fleet.scaleTo(3);
    const load = new FleetLoad(fleet, { name: "hello", clients: 5, runMs: 60 });
    await load.untilServed(10);
    const { epoch = 0 } = (await fleet.roster()) ?? {};
    await fleet.killRouter(await fleet.owner());
    await fleet.untilRoster((roster) => roster.epoch > epoch);
    await load.untilServed(20);
    judge(await load.end());
  });

  it("an owner that is frozen, replaced, and goes on as if nothing had been: nothing that it says is obeyed", async function () {
    this.timeout(60_000);
    await fleet.scaleTo(3);
    const owner = await fleet.owner();
    const load = new FleetLoad(fleet, { name: "hello", clients: 5, runMs: 60 });
    await load.untilServed(10);
    owner.process.kill("SIGSTOP");
    try {
      await fleet.untilRoster(({ replicas }) => !replicas.some(({ podUid }) => podUid === owner.podUid));
      await load.untilServed(10);
    } finally {
      owner.process.kill("SIGCONT");
    }
    await fleet.untilRoster(({ replicas }) => replicas.length === 3);
    await load.untilServed(10);
    judge(await load.end());
  });

  it("a carrier that is cut off from the owner: what it carries counts until its environment says that it has ended", async function () {
    this.timeout(60_000);
    await fleet.scaleTo(3);
    const owner = await fleet.owner();
    const load = new FleetLoad(fleet, { name: "hello", clients: 5, runMs: 60 });
    await load.untilServed(10);
    for (let times = 0; times < 5; times += 1) {
      fleet.network.block("reset", [{ ip: owner.podIP }])();
      await load.untilServed(3);
    }
    judge(await load.end());
  });

  it("limits that change under load hold from then on", async function () {
    this.timeout(60_000);
    const load = new FleetLoad(fleet, { name: "hello", clients: 5, runMs: 60 });
    await load.untilServed(5);
    await fleet.reserve("hello", 0);
    await fleet.world.until("nothing is let in", async () =>
      (await fleet.invoke(await fleet.owner(), "hello")).status === 429 ? true : undefined,
    );
    const before = fleet.runs("hello").length;
    await fleet.reserve("hello", 1);
    await load.untilServed(10);
    judge(await load.end());
    assert.equal(mostAtOnce(fleet.runs("hello").slice(before)), 1);
    await fleet.reserve("hello", reserved);
  });
});
