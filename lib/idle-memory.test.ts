import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { IdleMemory } from "./idle-memory.ts";

describe("idle memory", () => {
  let clock: ManualClock;
  let isIdle: boolean;
  let given: number;
  let memory: IdleMemory;

  beforeEach(() => {
    clock = new ManualClock();
    isIdle = true;
    given = 0;
    memory = new IdleMemory({ clock, isIdle: () => isIdle, giveBack: () => (given += 1), quietMs: 1000 });
  });

  it("is given back once, a second after the init", () => {
    memory.used();
    clock.advance(999);
    assert.equal(given, 0);
    clock.advance(1);
    assert.equal(given, 1);
    clock.advance(3_600_000);
    assert.equal(given, 1);
  });

  it("is kept while calls come, and given back after a quiet minute", () => {
    for (let call = 0; call < 100; call += 1) {
      memory.used(60_000);
      clock.advance(59_999);
    }
    assert.equal(given, 0);
    clock.advance(1);
    assert.equal(given, 1);
  });

  it("is given back again after the next call", () => {
    memory.used();
    clock.advance(1000);
    memory.used(60_000);
    clock.advance(60_000);
    assert.equal(given, 2);
  });

  it("needs one timer for any number of calls", () => {
    for (let call = 0; call < 100; call += 1) memory.used(60_000);
    assert.equal(clock.timers, 1);
  });

  it("waits for the end of a call that takes long", () => {
    memory.used();
    isIdle = false;
    clock.advance(10_000);
    assert.equal(given, 0);
    isIdle = true;
    memory.used(60_000);
    clock.advance(60_000);
    assert.equal(given, 1);
  });

  it("is left alone after the end", () => {
    memory.used();
    memory.stop();
    memory.used(60_000);
    clock.advance(100_000);
    assert.equal(given, 0);
    assert.equal(clock.timers, 0);
  });
});
