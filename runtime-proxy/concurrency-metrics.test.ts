import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { ConcurrencyMetrics } from "./concurrency-metrics.ts";
import { ConcurrencyLedger } from "./domain/concurrency.ts";
import type { FunctionFacts } from "./domain/function-facts.ts";

describe("metrics of what runs at once", () => {
  let clock: ManualClock;
  let ledger: ConcurrencyLedger;
  let metrics: ConcurrencyMetrics;
  beforeEach(() => {
    clock = new ManualClock();
    ledger = new ConcurrencyLedger(1000);
    const findByUid = (uid: string): FunctionFacts => ({ namespace: uid[0] ?? "", name: uid }) as FunctionFacts;
    metrics = new ConcurrencyMetrics({ ledger, functions: { findByUid }, owns: (account) => account !== "b", clock });
    for (const uid of ["a1", "a2", "b1"]) ledger.setFunction(uid, uid[0] ?? "", undefined);
  });

  function value(name: string, label: string): number | undefined {
    const lines = [...metrics.text()].join("").split("\n");
    const line = lines.find((text) => text.startsWith(`${name}{`) && text.includes(`"${label}"`));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  it("have only accounts and functions that this replica owns, and functions of which something runs", () => {
    for (const uid of ["a1", "b1"]) ledger.admit(uid);
    assert.equal(value("kubelambda_concurrent_executions", "a1"), 1);
    assert.equal(value("kubelambda_concurrent_executions", "a2"), undefined);
    assert.equal(value("kubelambda_concurrent_executions", "b1"), undefined);
    assert.equal(value("kubelambda_claimed_account_concurrency", "b"), undefined);
  });

  it("claimed: reservations, provisioned of functions without one, and what runs unreserved", () => {
    ledger.setFunction("a2", "a", { reserved: 50, provisioned: { 1: { claimed: 10, usable: 10 } } });
    ledger.setFunction("a1", "a", { reserved: undefined, provisioned: { 1: { claimed: 3, usable: 3 } } });
    ledger.admit("a1", { version: "1" });
    ledger.admit("a1");
    assert.equal(value("kubelambda_unreserved_concurrent_executions", "a"), 1);
    assert.equal(value("kubelambda_claimed_account_concurrency", "a"), 54);
    assert.equal(value("kubelambda_concurrent_executions", "a1"), 2);
  });

  it("a peak is seen by everybody who looks within half a minute, and gone after two spans", () => {
    for (let call = 0; call < 5; call += 1) ledger.admit("a1");
    for (let call = 0; call < 5; call += 1) ledger.leave("a1");
    const highest = (): number | undefined => value("kubelambda_concurrent_executions_max", "a1");
    assert.equal(highest(), 5);
    assert.equal(highest(), 5);
    clock.advance(30_000);
    assert.equal(highest(), 5);
    assert.equal(highest(), 5);
    clock.advance(30_000);
    assert.equal(highest(), 5);
    assert.equal(highest(), undefined);
  });
});
