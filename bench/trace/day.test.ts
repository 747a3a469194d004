import assert from "node:assert/strict";
import { seededRandom } from "../seeded-random.ts";
import { dayMs, traceDay } from "./day.ts";

describe("traceDay", () => {
  const calls = traceDay({ functions: 300, mostCalls: 100_000, draw: seededRandom(1) });

  it("gives the same day for the same seed, in the order of time", () => {
    const again = traceDay({ functions: 300, mostCalls: 100_000, draw: seededRandom(1) });
    assert.deepEqual(again.slice(0, 100), calls.slice(0, 100));
    assert.ok(calls.every(({ atMs }, i) => atMs >= (calls[i - 1]?.atMs ?? 0) && atMs < dayMs));
  });

  it("has few functions with nearly all calls", () => {
    const counts = Map.groupBy(calls, ({ functionIndex }) => functionIndex);
    const sorted = [...counts.values()].map(({ length }) => length).sort((a, b) => b - a);
    const ofTenth = sorted.slice(0, 30).reduce((sum, count) => sum + count, 0);
    assert.ok(ofTenth > 0.8 * calls.length, `${ofTenth} of ${calls.length}`);
    assert.ok(sorted.length > 250, `${sorted.length} functions are called`);
  });
});
