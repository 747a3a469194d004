import assert from "node:assert/strict";
import { Histogram, Registry } from "prom-client";
import { QuickHistogram } from "./quick-histogram.ts";

const options = { name: "a_seconds", help: "A", buckets: [0.1, 0.25, 1, 2.5] };

describe("QuickHistogram", () => {
  it("is read as prom-client's own would be", async () => {
    const [own, others] = [new Registry(), new Registry()];
    const quick = new QuickHistogram({ ...options, registers: [own] });
    const usual = new Histogram({ ...options, registers: [others] });
    assert.equal(await own.metrics(), await others.metrics());
    for (const value of [0, 0.05, 0.1, 0.2, 0.25, 0.9, 1, 1.5, 3, 100])
      for (const histogram of [quick, usual]) histogram.observe(value);
    assert.equal(await own.metrics(), await others.metrics());
    for (const registry of [own, others]) registry.resetMetrics();
    assert.equal((await own.metrics()).includes('a_seconds_bucket{le="+Inf"} 0'), true);
  });

  it("a name is taken once", () => {
    const registers = [new Registry()];
    new QuickHistogram({ ...options, registers });
    assert.throws(() => new QuickHistogram({ ...options, registers }), /already been registered/);
  });
});
