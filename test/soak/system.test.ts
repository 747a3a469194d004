/** Operators, package store, agents, API server and etcd under a steady load while each is killed, frozen and cut off in turn, with 1 and 3 routers. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { reportText } from "../kit/fleet/fault-report.ts";
import {
  startSystemFaults,
  systemFaults,
  type SystemFaultName,
  type SystemFaultRun,
} from "../kit/fleet/system-faults.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { pickOne } from "./draw.ts";
import { soakSettings } from "./soak-settings.ts";

const { minutes, seed, faultNames } = soakSettings(process.env);
const counts = [1, 3];
/** Longer than an agent obeys an owner that is silent. */
const lastMs = 12_000;
/** Longer than environments live, and than a leader keeps its Lease. */
const awayMs = 40_000;
const wanted = (Object.keys(systemFaults) as SystemFaultName[]).filter(
  (name) => faultNames === undefined || faultNames.test(name),
);

for (const count of counts) {
  describe(`the system with ${count} ${count === 1 ? "router" : "routers"}, ${minutes / counts.length} minutes, seed ${seed}`, function () {
    this.timeout(minutes * 60_000 + 1_800_000);
    const draw = seededRandom(seed + count);
    let run: SystemFaultRun;

    before(async () => (run = await startSystemFaults(count, { lastMs, awayMs })));
    after(async () => {
      process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
      await run.stop();
    });

    it("recovers from every fault", async () => {
      const untilMs = performance.now() + (minutes / counts.length) * 60_000;
      // Every fault once, whatever the time.
      for (let left = [...wanted]; left.length > 0;) {
        const fault = pickOne(draw, left);
        left.splice(left.indexOf(fault), 1);
        process.stdout.write(`    ${fault}\n`);
        await run.suffer(fault);
        if (left.length === 0 && performance.now() < untilMs) left = [...wanted];
      }
    });

    it("held every limit, answered no call twice nor wrongly, and told documented errors alone", async () => {
      assert.deepEqual((await run.judge()).slice(0, 20), []);
    });
  });
}
