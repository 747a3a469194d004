/** Routers come, go, freeze, die and are cut off while calls run: limits hold by the functions' own record, and no call runs twice. */
import { before, describe } from "mocha";
import { beginFaults, sufferFaults } from "../kit/fleet/fault-suite.ts";
import { startRouterFaults, type FaultName } from "../kit/fleet/fleet-faults.ts";

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
  const run = beginFaults(() => startRouterFaults(5, { lastMs: 1000, awayMs: 3000 }));

  for (const count of [5, 2, 1]) {
    describe(`with ${count} ${count === 1 ? "router" : "routers"}`, () => {
      before(async function () {
        this.timeout(60_000);
        await run().scaleTo(count);
      });

      sufferFaults(run, plan[count] ?? []);
    });
  }
});
