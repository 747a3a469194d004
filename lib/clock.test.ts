import assert from "node:assert/strict";
import { sleep, systemClock } from "./clock.ts";

describe("systemClock", () => {
  it("never goes back and calls no earlier than asked", async () => {
    const before = systemClock.monotonicMs();
    await sleep(systemClock, 20);
    assert(systemClock.monotonicMs() - before >= 19);
  });

  it("does not call what was cancelled", async () => {
    let calls = 0;
    systemClock.schedule(1, () => calls++)();
    await sleep(systemClock, 15);
    assert.equal(calls, 0);
  });
});

describe("sleep", () => {
  it("ends with the signal's reason, at once or later", async () => {
    const reason = new Error("enough");
    await assert.rejects(sleep(systemClock, 60_000, AbortSignal.abort(reason)), reason);
    const controller = new AbortController();
    const sleeping = sleep(systemClock, 60_000, controller.signal);
    controller.abort(reason);
    await assert.rejects(sleeping, reason);
  });
});
