/** The short form of a fault run: what begins it, what ends it, and the judgement. */
import assert from "node:assert/strict";
import { after, before, it } from "mocha";
import type { FaultFleet } from "./fault.ts";
import { reportText } from "./fault-report.ts";
import type { FaultRun } from "./fault-run.ts";

/** To be called in a `describe`; answers with the run, once it has begun. With FAULTS_REPORT its report is printed at the end. */
export function beginFaults<Fleet extends FaultFleet, Name extends string>(
  start: () => Promise<FaultRun<Fleet, Name>>,
): () => FaultRun<Fleet, Name> {
  let run: FaultRun<Fleet, Name>;
  before(async function () {
    this.timeout(90_000);
    run = await start();
  });
  after(async function () {
    this.timeout(60_000);
    if (process.env["FAULTS_REPORT"] !== undefined)
      process.stdout.write(`${reportText({ calls: run.calls, held: run.held(), records: run.records })}\n`);
    await run.stop();
  });
  return () => run;
}

/** Each fault, and whether everything was as promised until then. */
export function sufferFaults<Fleet extends FaultFleet, Name extends string>(
  run: () => FaultRun<Fleet, Name>,
  faults: readonly Name[],
): void {
  for (const fault of faults)
    it(`${fault}: all is served again`, async function () {
      this.timeout(120_000);
      await run().suffer(fault);
    });

  it("held every limit, answered no call twice nor wrongly, and told documented errors alone", async function () {
    this.timeout(60_000);
    assert.deepEqual((await run().judge()).slice(0, 10), []);
  });
}
