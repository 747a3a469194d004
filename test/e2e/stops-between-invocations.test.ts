import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { waitUntil } from "../cluster/wait-until.ts";
import { nodeFunction, Space } from "./space.ts";

/** Counts for as long as it runs; the answer is the count and the time that the process sees. */
const ticking = `
let ticks = 0;
setInterval(() => { ticks += 1; }, 50);
export const handler = async () => ({ ticks, pid: process.pid, nowMs: Date.now() });
`;

interface Ticks {
  readonly ticks: number;
  readonly pid: number;
  readonly nowMs: number;
}

describe("environments that stop between invocations", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-stops");
    const { environments } = space.system.values as { readonly environments: object };
    await space.system.install({ environments: { ...environments, stopBetweenInvocations: true } });
  });
  after(async function () {
    this.timeout(240_000);
    await space.close();
    await space.system.install();
  });

  it("run for an invocation only, and go on where they were stopped", async () => {
    await space.serve("ticking", nodeFunction(ticking));
    const before = (await space.call("ticking", {})) as Ticks;
    await delay(4000);
    const after = (await space.call("ticking", {})) as Ticks;
    assert.equal(after.pid, before.pid);
    assert.ok(after.nowMs - before.nowMs >= 4000, `${after.nowMs - before.nowMs} ms have passed`);
    // A process that runs on would count 80; this one only in what is left of an invocation before the next call of next.
    assert.ok(after.ticks - before.ticks < 20, `${after.ticks - before.ticks} ticks while it should have been stopped`);
  });

  it("shut down although they are stopped", async () => {
    await space.kubectl("delete", "fn", "ticking", "--wait=false");
    await waitUntil({ what: "its environments are gone", timeoutMs: 30_000, everyMs: 500 }, async () => {
      const { length } = await space.pods();
      return length === 0 || undefined;
    });
  });
});
