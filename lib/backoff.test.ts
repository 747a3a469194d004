import assert from "node:assert/strict";
import fc from "fast-check";
import { backoffMs } from "./backoff.ts";

describe("backoffMs", () => {
  it("doubles up to the longest delay", () => {
    const policy = { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 };
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5000].map((attempt) => backoffMs(policy, attempt, 0.9)),
      [100, 200, 400, 800, 1000, 1000],
    );
  });

  it("stays between the undrawn part and the longest delay, whatever is drawn", () => {
    const policies = fc.record({
      initialMs: fc.integer({ min: 1, max: 1000 }),
      maxMs: fc.integer({ min: 1000, max: 300_000 }),
      factor: fc.double({ min: 1, max: 4, noNaN: true }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const draws = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, fc.nat(10_000), draws, (policy, attempt, draw) => {
        const delayMs = backoffMs(policy, attempt, draw);
        const fullMs = backoffMs({ ...policy, jitter: 0 }, attempt, 0);
        return delayMs <= policy.maxMs && delayMs <= fullMs && delayMs >= fullMs * (1 - policy.jitter) - 1e-6;
      }),
    );
  });
});
