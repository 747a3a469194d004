import assert from "node:assert/strict";
import fc from "fast-check";
import { seededRandom, shuffled } from "./seeded-random.ts";
import { median, quantile, ratioSpread, type Pair } from "./statistics.ts";

const manyValues = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });

describe("quantile", () => {
  const cases: Record<string, { values: readonly number[]; q: number; want: number }> = {
    "of one value is that value": { values: [7], q: 0.99, want: 7 },
    "0 is the least": { values: [3, 1, 2], q: 0, want: 1 },
    "1 is the greatest": { values: [3, 1, 2], q: 1, want: 3 },
    "is a value where it falls on one": { values: [50, 10, 30, 20, 40], q: 0.25, want: 20 },
    "lies between neighbours in proportion": { values: [10, 20], q: 0.3, want: 13 },
    "sorts by number, not by text": { values: [100, 9, 20], q: 0.5, want: 20 },
  };
  for (const [title, { values, q, want }] of Object.entries(cases)) {
    it(title, () => assert.equal(quantile(values, q), want));
  }

  it("refuses to make one up from nothing", () => {
    assert.throws(() => quantile([], 0.5), /Cannot take quantile 0\.5 of 0 values/);
  });

  it("never leaves the range of the values and never falls as q rises", () => {
    const q = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(manyValues, q, q, (values, a, b) => {
        const [lower, upper] = [quantile(values, Math.min(a, b)), quantile(values, Math.max(a, b))];
        const slack = 1e-9 * Math.max(...values);
        assert.ok(
          lower >= Math.min(...values) - slack && upper <= Math.max(...values) + slack && lower <= upper + slack,
        );
      }),
    );
  });
});

describe("ratioSpread", () => {
  it("has no width when every round says the same, however slow the round was", () => {
    const pairs: Pair[] = [1, 10, 1000].map((slow) => ({ subject: 3 * slow, baseline: 2 * slow }));
    assert.deepEqual(ratioSpread(pairs, { draw: seededRandom(1) }), { ratio: 1.5, low: 1.5, high: 1.5 });
  });

  it("gives the same interval for the same seed", () => {
    const pairs: Pair[] = [1, 2, 3, 4, 5].map((subject) => ({ subject, baseline: 2 }));
    const of = (seed: number): unknown => ratioSpread(pairs, { draw: seededRandom(seed), resamples: 200 });
    assert.deepEqual(of(4), of(4));
  });

  it("finds the true ratio inside the interval in about 95 of 100 experiments", () => {
    const draw = seededRandom(20_261);
    const experiment = (): boolean => {
      const pairs = Array.from({ length: 15 }, () => ({ subject: 2 + (draw() - 0.5), baseline: 1 }));
      const { low, high } = ratioSpread(pairs, { draw, resamples: 200 });
      return low <= 2 && 2 <= high;
    };
    const hits = Array.from({ length: 200 }, experiment).filter(Boolean).length;
    assert.ok(hits >= 176 && hits < 200, `${hits} of 200`);
  });

  it("keeps low ≤ ratio ≤ high within the rounds' own ratios", () => {
    const pair = fc.record({ subject: fc.integer({ min: 1, max: 1000 }), baseline: fc.integer({ min: 1, max: 1000 }) });
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 20 }), fc.nat(), (pairs, seed) => {
        const { low, high } = ratioSpread(pairs, { draw: seededRandom(seed), resamples: 50 });
        const ratios = pairs.map(({ subject, baseline }) => subject / baseline);
        assert.ok(low <= high && low >= Math.min(...ratios) - 1e-9 && high <= Math.max(...ratios) + 1e-9);
      }),
    );
  });
});

describe("median", () => {
  it("is not moved by one wild value", () => assert.equal(median([1, 2, 3, 4, 1e9]), 3));
});

describe("shuffled", () => {
  it("keeps every item once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.nat(), (items, seed) => {
        assert.deepEqual(shuffled(items, seededRandom(seed)).sort(), [...items].sort());
      }),
    );
  });

  it("puts every item first about equally often", () => {
    const draw = seededRandom(7);
    const firsts = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 3000; i += 1) firsts[shuffled(["a", "b", "c"] as const, draw)[0]!] += 1;
    for (const count of Object.values(firsts)) assert.ok(count > 900 && count < 1100, JSON.stringify(firsts));
  });
});
