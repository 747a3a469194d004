/** Every fault of a fleet under a steady load, again and again until the time is over, and the report of it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import type { Fault, FaultFleet } from "../kit/fleet/fault.ts";
import { reportText } from "../kit/fleet/fault-report.ts";
import type { FaultRun, FaultRunOptions } from "../kit/fleet/fault-run.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { pickOne } from "./draw.ts";
import { soakSettings } from "./soak-settings.ts";

export interface FaultSoak<Fleet extends FaultFleet, Name extends string> {
  readonly what: string;
  /** Of routers: each a run of its own, with its part of the time. */
  readonly counts: readonly number[];
  readonly faults: Readonly<Record<Name, Fault<Fleet>>>;
  readonly start: (routers: number, options: FaultRunOptions) => Promise<FaultRun<Fleet, Name>>;
  readonly options: FaultRunOptions;
}

export function soakFaults<Fleet extends FaultFleet, Name extends string>(soak: FaultSoak<Fleet, Name>): void {
  const { minutes, seed, faultNames } = soakSettings(process.env);
  const ownMinutes = minutes / soak.counts.length;
  const names = Object.keys(soak.faults) as Name[];
  const wanted = names.filter((name) => faultNames === undefined || faultNames.test(name));
  for (const count of soak.counts) {
    const routers = `${count} ${count === 1 ? "router" : "routers"}`;
    describe(`${soak.what} with ${routers}, ${ownMinutes} minutes, seed ${seed}`, function () {
      this.timeout(minutes * 60_000 + 1_800_000);
      const draw = seededRandom(seed + count);
      const possible = wanted.filter((name) => (soak.faults[name].leastRouters ?? 1) <= count);
      let run: FaultRun<Fleet, Name>;

      before(async () => (run = await soak.start(count, soak.options)));
      after(async () => {
        process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
        await run.stop();
      });

      it("recovers from every fault", async () => {
        const untilMs = performance.now() + ownMinutes * 60_000;
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
}
