import assert from "node:assert/strict";
import { ConcurrencyLedger } from "./domain/concurrency.ts";
import type { FunctionFacts } from "./domain/function-facts.ts";
import { provisionedMetrics } from "./provisioned-metrics.ts";

describe("metrics of provisioned concurrency", () => {
  let ledger: ConcurrencyLedger;
  beforeEach(() => {
    ledger = new ConcurrencyLedger(1000);
    keep({ 1: 3, 2: 3 });
  });

  const shares = [
    { qualifier: "live", functionVersion: "1" },
    { qualifier: "live", functionVersion: "2" },
    { qualifier: "1", functionVersion: "1" },
  ];
  const pay = { namespace: "shop", name: "pay", uid: "uid", provisionedShares: shares } as unknown as FunctionFacts;

  function keep(sizes: Record<string, number>): void {
    const provisioned = Object.entries(sizes).map(([version, size]) => [version, { claimed: size, usable: size }]);
    const limits = { reserved: undefined, provisioned: Object.fromEntries(provisioned) as Record<string, never> };
    ledger.setFunction("uid", "shop", limits);
  }
  function run(version: string, count: number): void {
    for (let n = 0; n < count; n += 1)
      assert.deepEqual(ledger.admit("uid", { version }), { ok: true, pool: "provisioned" });
  }
  function end(version: string, count: number): void {
    for (let n = 0; n < count; n += 1) ledger.leave("uid", "provisioned", version);
  }
  /** By the qualifier's name. */
  function values(name: string): Record<string, number> {
    const text = provisionedMetrics({ functions: { all: () => [pay] }, ledger, pool: { owns: () => true } });
    const lines = text.matchAll(/^(\w+)\{[^}]*resource="pay:(\w+)"\} (\S+)$/gm);
    const ofName = [...lines].filter(([, metric]) => metric === `kubelambda_provisioned_${name}`);
    return Object.fromEntries(ofName.map(([, , qualifier = "", value]) => [qualifier, Number(value)]));
  }

  it("show what runs now, and the most that ran since before the last look", () => {
    run("1", 3);
    end("1", 2);
    run("2", 1);
    assert.deepEqual(values("concurrent_executions"), { live: 2, 1: 1 });
    assert.deepEqual(values("concurrent_executions_max"), { live: 4, 1: 3 });
  });

  it("a peak is gone after two spans, and then what runs is the most", () => {
    run("1", 3);
    end("1", 2);
    ledger.rollPeaks();
    assert.deepEqual(values("concurrent_executions_max"), { live: 3, 1: 3 });
    ledger.rollPeaks();
    assert.deepEqual(values("concurrent_executions_max"), { live: 1, 1: 1 });
  });

  it("a peak outlives a change of the number that is kept ready", () => {
    run("1", 2);
    end("1", 2);
    keep({ 1: 5 });
    assert.deepEqual(values("concurrent_executions_max"), { live: 2, 1: 2 });
  });

  it("have 0 without calls, so that an autoscaler scales in", () => {
    assert.deepEqual(values("concurrent_executions_max"), { live: 0, 1: 0 });
  });
});
