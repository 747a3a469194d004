import assert from "node:assert/strict";
import fc from "fast-check";
import { StreamBudget } from "./stream-budget.ts";

const mib = 1024 * 1024;

describe("StreamBudget", () => {
  it("lets the first 6 MiB go at once and holds what follows to the rate", () => {
    const budget = new StreamBudget(2 * mib, 0);
    assert.equal(budget.take(6 * mib, 0), 0);
    assert.equal(budget.take(mib, 0), 500);
    assert.equal(budget.take(mib, 500), 500);
  });

  it("fills up again while nothing goes", () => {
    const budget = new StreamBudget(2 * mib, 0);
    budget.take(6 * mib, 0);
    assert.equal(budget.take(6 * mib, 3000), 0);
    assert.equal(budget.take(2 * mib, 3000), 1000);
  });

  it("without a rate nothing waits", () => {
    assert.equal(new StreamBudget(0, 0).take(1e9, 0), 0);
  });

  it("whoever waits as told never sends more than the burst and the rate allow", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 * mib }), { maxLength: 50 }), (sizes) => {
        const budget = new StreamBudget(mib, 0);
        let nowMs = 0;
        let sent = 0;
        for (const size of sizes) {
          nowMs += budget.take(size, nowMs);
          sent += size;
          assert.ok(sent <= 6 * mib + (nowMs / 1000) * mib + 1);
        }
      }),
    );
  });
});
