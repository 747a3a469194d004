import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { CountWakes } from "./count-wakes.ts";

describe("CountWakes", () => {
  let clock: ManualClock;
  let woken: string[];
  let isBusy: boolean;
  let wakes: CountWakes;

  beforeEach(() => {
    clock = new ManualClock();
    woken = [];
    isBusy = false;
    wakes = new CountWakes({ clock, wake: (key) => woken.push(key), isBusy: () => isBusy });
  });

  it("wakes once, a second after the first of many changes", () => {
    for (let i = 0; i < 10; i += 1) wakes.soon("a");
    clock.advance(999);
    assert.deepEqual(woken, []);
    clock.advance(1);
    assert.deepEqual(woken, ["a"]);
    wakes.soon("a");
    clock.advance(1000);
    assert.deepEqual(woken, ["a", "a"]);
  });

  it("wakes for a hundred functions at once, and then for 25 a second", () => {
    for (let i = 0; i < 200; i += 1) wakes.soon(`f-${i}`);
    clock.advance(1000);
    assert.equal(woken.length, 125);
    clock.advance(1000);
    assert.equal(woken.length, 150);
    clock.advance(60_000);
    assert.equal(woken.length, 200);
  });

  it("wakes for five functions a second while environments are to be made", () => {
    isBusy = true;
    for (let i = 0; i < 100; i += 1) wakes.soon(`f-${i}`);
    clock.advance(1000);
    assert.equal(woken.length, 5);
    clock.advance(10_000);
    assert.equal(woken.length, 55);
    isBusy = false;
    clock.advance(1000);
    assert.equal(woken.length, 100);
  });

  it("forgets none while environments are to be made", () => {
    isBusy = true;
    const keys = Array.from({ length: 100 }, (_, i) => `f-${i}`);
    for (const key of keys) wakes.soon(key);
    for (let i = 0; i < 20; i += 1) {
      clock.advance(1000);
      for (const key of keys.slice(0, 3)) wakes.soon(key);
    }
    assert.deepEqual(new Set(woken), new Set(keys));
  });

  it("wakes nobody after its end", () => {
    wakes.soon("a");
    wakes.stop();
    clock.advance(60_000);
    assert.deepEqual(woken, []);
  });
});
