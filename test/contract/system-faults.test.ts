/** Operators, package store, API server and etcd freeze, die and are cut off while calls run and environments are replaced. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { reportText } from "../kit/fleet/fault-report.ts";
import { startSystemFaults, type SystemFaultName, type SystemFaultRun } from "../kit/fleet/system-faults.ts";

/** A short form of the soak. */
const plan: readonly SystemFaultName[] = [
  "the operator that leads is killed",
  "the operator that leads is frozen",
  "the package store is killed",
  "the API server is frozen",
  "etcd is frozen",
  "an agent is killed",
  "clocks of operators and of the package store jump",
];

describe("the system under faults", () => {
  let run: SystemFaultRun;

  before(async function () {
    this.timeout(90_000);
    run = await startSystemFaults(2, { lastMs: 3000, awayMs: 7000 });
  });
  after(async function () {
    this.timeout(30_000);
    if (process.env["FAULTS_REPORT"] !== undefined)
      process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
    await run.stop();
  });

  for (const fault of plan)
    it(`${fault}: all is served again`, async function () {
      this.timeout(120_000);
      await run.suffer(fault);
    });

  it("held every limit, answered no call twice nor wrongly, and told documented errors alone", async function () {
    this.timeout(60_000);
    assert.deepEqual((await run.judge()).slice(0, 10), []);
  });
});
