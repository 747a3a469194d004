/** Routers, agents, operator and API server under a steady load while each is killed, frozen and cut off in turn, with 1, 2 and 5 routers. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Fault } from "../kit/fleet/fault.ts";
import { faults, startRouterFaults, type FaultName, type RouterFaultRun } from "../kit/fleet/fleet-faults.ts";
import type { RouterFleet } from "../kit/fleet/router-fleet.ts";
import { reportText } from "../kit/fleet/fault-report.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { pickOne } from "./draw.ts";
import { soakSettings } from "./soak-settings.ts";

const { minutes, seed, faultNames } = soakSettings(process.env);
const counts = [1, 2, 5];
/** Longer than an agent obeys an owner that is silent. */
const lastMs = 12_000;
const awayMs = 60_000;
const wanted = (Object.keys(faults) as FaultName[]).filter((name) => faultNames === undefined || faultNames.test(name));

for (const count of counts) {
  describe(`soak with ${count} ${count === 1 ? "router" : "routers"}, ${minutes / counts.length} minutes, seed ${seed}`, function () {
    this.timeout(minutes * 60_000 + 1_200_000);
    const draw = seededRandom(seed + count);
    const possible = wanted.filter((name) => ((faults[name] as Fault<RouterFleet>).leastRouters ?? 1) <= count);
    let run: RouterFaultRun;

    before(async () => (run = await startRouterFaults(count, { lastMs, awayMs })));
    after(async () => {
      process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
      await run.stop();
    });

    it("recovers from every fault", async () => {
      const untilMs = performance.now() + (minutes / counts.length) * 60_000;
      // Every fault once, whatever the time.
      for (let left = [...possible]; left.length > 0;) {
        const fault = pickOne(draw, left);
        left.splice(left.indexOf(fault), 1);
        process.stdout.write(`    ${fault}\n`);
        await run.suffer(fault);
        if (left.length === 0 && performance.now() < untilMs) left = [...possible];
      }
    });

    it("held every limit, answered no call twice nor wrongly, and told documented errors alone", async () => {
      assert.deepEqual((await run.judge()).slice(0, 20), []);
    });
  });
}
