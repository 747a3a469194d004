import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { TokenBucket } from "./token-bucket.ts";

describe("TokenBucket", () => {
  it("allows a burst, then the rate", () => {
    const bucket = new TokenBucket({ burst: 2, perSecond: 4, nowMs: 0 });
    assert.deepEqual([bucket.take(0), bucket.take(0), bucket.take(0)], [true, true, false]);
    assert.deepEqual([bucket.take(249), bucket.take(250), bucket.take(250)], [false, true, false]);
  });

  it("never holds more than the burst", () => {
    const bucket = new TokenBucket({ burst: 2, perSecond: 4, nowMs: 0 });
    const taken = Array.from({ length: 5 }, () => bucket.take(3_600_000)).filter(Boolean);
    assert.equal(taken.length, 2);
  });

  it("puts reservations in line", () => {
    const bucket = new TokenBucket({ burst: 1, perSecond: 2, nowMs: 0 });
    assert.deepEqual(
      [0, 0, 0].map((nowMs) => bucket.reserveMs(nowMs)),
      [0, 500, 1000],
    );
    assert.equal(bucket.reserveMs(10_000), 0);
  });
});
