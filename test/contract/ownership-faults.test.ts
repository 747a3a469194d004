/** Routers come, go, freeze, die and are cut off while calls run: limits hold by the functions' own record, and no call runs twice. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { reportText } from "../kit/fleet/fault-report.ts";
import { startRouterFaults, type FaultName, type RouterFaultRun } from "../kit/fleet/fleet-faults.ts";

/** A short form of the soak: each fault once, with as many routers as show it best. */
const plan: Readonly<Record<number, readonly FaultName[]>> = {
  5: [
    "the owner is cut off from all, without a word",
    "all connections between routers are reset",
    "the owner is killed",
  ],
  2: [
    "a router that is no owner is frozen",
    "the API server is killed",
    "a limit is set below what is in use",
    "the owner is rolled out",
    "clocks of routers and nodes jump",
  ],
  1: ["a router is killed", "a node is killed", "every watch expires"],
};

describe("ownership under faults", () => {
  let run: RouterFaultRun;

  before(async function () {
    this.timeout(90_000);
    run = await startRouterFaults(5, { lastMs: 1000, awayMs: 3000 });
  });
  after(async function () {
    this.timeout(30_000);
    if (process.env["FAULTS_REPORT"] !== undefined)
      process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
    await run.stop();
  });

  for (const count of [5, 2, 1]) {
    describe(`with ${count} ${count === 1 ? "router" : "routers"}`, () => {
      before(async function () {
        this.timeout(60_000);
        await run.scaleTo(count);
      });

      for (const fault of plan[count] ?? [])
        it(`${fault}: all is served again`, async function () {
          this.timeout(120_000);
          await run.suffer(fault);
        });

      it("held every limit, answered no call twice nor wrongly, and told documented errors alone", async function () {
        this.timeout(60_000);
        assert.deepEqual((await run.judge()).slice(0, 10), []);
      });
    });
  }
});
