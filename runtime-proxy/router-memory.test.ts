import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { RouterMemory } from "./router-memory.ts";

const mebibyte = 1024 * 1024;

describe("RouterMemory", () => {
  let clock: ManualClock;
  let memory: RouterMemory | undefined;
  let [running, workDone, residentBytes, givenBack] = [0, 0, 0, 0];

  beforeEach(() => {
    memory?.stop();
    clock = new ManualClock();
    [running, workDone, residentBytes, givenBack] = [0, 0, 100 * mebibyte, 0];
    memory = new RouterMemory({
      clock,
      running: () => running,
      workDone: () => workDone,
      residentBytes: () => residentBytes,
      giveBack: () => {
        givenBack += 1;
        residentBytes = 60 * mebibyte;
      },
    });
    memory.start();
  });

  it("gives back what was taken once nothing has happened for 30 s", () => {
    clock.advance(29_000);
    assert.equal(givenBack, 0);
    clock.advance(10_000);
    assert.equal(givenBack, 1);
  });

  it("waits while calls come or run, however seldom", () => {
    for (let i = 0; i < 20; i += 1) {
      workDone += 1;
      clock.advance(20_000);
    }
    assert.equal(givenBack, 0, "a call every 20 s");
    running = 1;
    clock.advance(600_000);
    assert.equal(givenBack, 0, "one long call");
    running = 0;
    clock.advance(60_000);
    assert.equal(givenBack, 1);
  });

  it("does it again only when it is worth it", () => {
    clock.advance(60_000);
    workDone += 1;
    residentBytes = 80 * mebibyte;
    clock.advance(120_000);
    assert.equal(givenBack, 1, "20 MiB more");
    workDone += 1;
    residentBytes = 95 * mebibyte;
    clock.advance(120_000);
    assert.equal(givenBack, 2);
  });
});
