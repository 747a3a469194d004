import assert from "node:assert/strict";
import fc from "fast-check";
import { ConcurrencyLedger } from "./concurrency.ts";

describe("ConcurrencyLedger", () => {
  it("concurrency 7: a second call of a function with R = 1 is refused, and admitted after the first has ended", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", 1);
    assert.deepEqual(ledger.admit("f"), { ok: true, pool: "onDemand" });
    assert.deepEqual(ledger.admit("f"), { ok: false, reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
    ledger.leave("f");
    assert.deepEqual(ledger.admit("f"), { ok: true, pool: "onDemand" });
  });

  it("concurrency 9: R raised from 0 to 1 admits the next call", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", 0);
    assert.equal(ledger.admit("f").ok, false);
    ledger.setFunction("f", "a", 1);
    assert.equal(ledger.admit("f").ok, true);
  });

  it("concurrency 12: a function with R = 2 runs 2 at once while another floods the account", () => {
    const ledger = new ConcurrencyLedger(5);
    ledger.setFunction("f", "a", 2);
    ledger.setFunction("flood", "a", undefined);
    const flood = [1, 2, 3, 4].map(() => ledger.admit("flood"));
    assert.deepEqual(
      flood.map(({ ok }) => ok),
      [true, true, true, false],
    );
    assert.deepEqual(flood[3], { ok: false, reason: "ConcurrentInvocationLimitExceeded" });
    assert.deepEqual([ledger.admit("f").ok, ledger.admit("f").ok, ledger.admit("f").ok], [true, true, false]);
  });

  it("no more than the account's limit run while a reservation is raised into what others use: it has its room when they end", () => {
    const ledger = new ConcurrencyLedger(3);
    ledger.setFunction("f", "a", 0);
    ledger.setFunction("g", "a", undefined);
    for (const _ of [1, 2, 3]) assert.equal(ledger.admit("g").ok, true);
    ledger.setFunction("f", "a", 2);
    assert.deepEqual(ledger.admit("f"), { ok: false, reason: "ConcurrentInvocationLimitExceeded" });
    ledger.leave("g");
    assert.deepEqual(ledger.admit("g"), { ok: false, reason: "ConcurrentInvocationLimitExceeded" });
    assert.equal(ledger.admit("f").ok, true);
    assert.equal(ledger.admit("f").ok, false);
  });

  it("never has more than the account's limit, however limits change and calls come and go", () => {
    const step = fc.record({
      uid: fc.constantFrom("f", "g", "h"),
      act: fc.constantFrom("admit", "leave", "reserve", "share"),
      reserved: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = new ConcurrencyLedger(4);
        for (const uid of ["f", "g", "h"]) ledger.setFunction(uid, "a", undefined);
        const running = new Map<string, number>();
        for (const { uid, act, reserved } of steps) {
          const own = running.get(uid) ?? 0;
          if (act === "reserve") ledger.setFunction(uid, "a", reserved);
          else if (act === "share") ledger.setFunction(uid, "a", undefined);
          else if (act === "admit" && ledger.admit(uid).ok) running.set(uid, own + 1);
          else if (act === "leave" && own > 0) {
            ledger.leave(uid);
            running.set(uid, own - 1);
          }
          assert.ok(ledger.total <= 4);
          assert.equal(ledger.running(uid), running.get(uid) ?? 0);
        }
      }),
    );
  });

  const provisioned = { "1": { claimed: 2, usable: 2 } };

  it("concurrency 17: with R = P = 2 nothing is left for $LATEST", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", { reserved: 2, provisioned });
    assert.deepEqual(ledger.admit("f"), { ok: false, reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
  });

  it("concurrency 18: with R = 2 and P = 2 the third call of the version is refused", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", { reserved: 2, provisioned });
    const admissions = [1, 2, 3].map(() => ledger.admit("f", { version: "1" }));
    assert.deepEqual(admissions, [
      { ok: true, pool: "provisioned" },
      { ok: true, pool: "provisioned" },
      { ok: false, reason: "ReservedFunctionConcurrentInvocationLimitExceeded" },
    ]);
    ledger.leave("f", "provisioned", "1");
    assert.equal(ledger.admit("f", { version: "1" }).ok, true);
  });

  it("concurrency 16, 25: what is provisioned is used first and only when it is ready; the rest runs on demand", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", { reserved: undefined, provisioned: { "1": { claimed: 2, usable: 0 } } });
    assert.deepEqual(ledger.admit("f", { version: "1" }), { ok: true, pool: "onDemand" });
    ledger.setFunction("f", "a", { reserved: undefined, provisioned });
    const pools = [1, 2, 3].map(() => ledger.admit("f", { version: "1" }));
    assert.deepEqual(
      pools.map((admission) => admission.ok && admission.pool),
      ["provisioned", "provisioned", "onDemand"],
    );
  });

  it("what is provisioned and comes free in a moment is used only where nothing runs on demand", () => {
    const ledger = new ConcurrencyLedger(1000);
    const asked = { version: "1", isProvisionedFree: false };
    ledger.setFunction("f", "a", { reserved: 3, provisioned });
    assert.deepEqual(ledger.admit("f", asked), { ok: true, pool: "onDemand" });
    assert.deepEqual(ledger.admit("f", asked), { ok: true, pool: "provisioned" });
  });

  it("never runs more than the reservation while provisioned concurrency comes and goes", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", { reserved: 2, provisioned });
    assert.equal(ledger.admit("f", { version: "1" }).ok, true);
    assert.equal(ledger.admit("f", { version: "1" }).ok, true);
    ledger.setFunction("f", "a", { reserved: 2 });
    assert.equal(ledger.admit("f").ok, false);
    ledger.leave("f", "provisioned", "1");
    assert.equal(ledger.admit("f").ok, true);
    assert.equal(ledger.admit("f").ok, false);
  });

  it("never runs more than the account's limit while reservations come", () => {
    const ledger = new ConcurrencyLedger(3);
    for (const uid of ["f", "g"]) ledger.setFunction(uid, "a", undefined);
    for (let number = 0; number < 3; number += 1) assert.equal(ledger.admit("g").ok, true);
    ledger.setFunction("f", "a", 2);
    assert.deepEqual(ledger.admit("f"), { ok: false, reason: "ConcurrentInvocationLimitExceeded" });
    ledger.leave("g");
    assert.deepEqual(ledger.admit("f"), { ok: true, pool: "onDemand" });
  });

  it("counts what may run in a provisioned environment there", () => {
    const ledger = new ConcurrencyLedger(1000);
    ledger.setFunction("f", "a", { reserved: 2, provisioned });
    for (let number = 0; number < 2; number += 1) ledger.occupy("f", "a", "1");
    assert.equal(ledger.admit("f", { version: "1", isProvisionedFree: false }).ok, false);
    ledger.leave("f", "provisioned", "1");
    assert.deepEqual(ledger.admit("f", { version: "1" }), { ok: true, pool: "provisioned" });
  });

  it("what is provisioned is taken out of the account, also idle", () => {
    const ledger = new ConcurrencyLedger(3);
    ledger.setFunction("f", "a", { reserved: undefined, provisioned });
    ledger.setFunction("g", "a", undefined);
    assert.deepEqual([ledger.admit("g").ok, ledger.admit("g").ok], [true, false]);
  });

  it("requests a second are ten for each of the reservation, and of the account for all others", () => {
    const ledger = new ConcurrencyLedger(2, 10);
    ledger.setFunction("f", "a", 1);
    ledger.setFunction("g", "a", undefined);
    const once = (uid: string, nowMs: number) => {
      const admission = ledger.admit(uid, { nowMs });
      if (admission.ok) ledger.leave(uid);
      return admission.ok ? "ok" : admission.reason;
    };
    for (let number = 0; number < 10; number += 1) assert.equal(once("f", 0), "ok");
    assert.equal(once("f", 0), "ReservedFunctionInvocationRateLimitExceeded");
    assert.equal(once("f", 100), "ok");
    for (let number = 0; number < 20; number += 1) assert.equal(once("g", 0), "ok");
    assert.equal(once("g", 0), "FunctionInvocationRateLimitExceeded");
  });

  it("counts calls ahead where half of a second's are left, and takes back those that did not come", () => {
    const ledger = new ConcurrencyLedger(100, 10);
    ledger.setFunction("f", "a", 10);
    const of = { pool: "onDemand", version: "$LATEST" } as const;
    const ahead = (count: number) => ledger.takeAhead("f", { ...of, count, nowMs: 0 });
    const letIn = (): number => {
      let number = 0;
      for (; ledger.admit("f", { nowMs: 0 }).ok; number += 1) ledger.leave("f", "onDemand", "$LATEST");
      return number;
    };
    assert.deepEqual([ahead(30), ahead(21), ahead(20), ahead(1)], [true, false, true, false]);
    ledger.giveBackAhead("f", { ...of, count: 15 });
    assert.equal(letIn(), 65);
    ledger.giveBackAhead("f", { ...of, count: 1000 });
    assert.equal(letIn(), 100);
  });

  it("counts ahead in the rate of what is provisioned too", () => {
    const ledger = new ConcurrencyLedger(100, 10);
    ledger.setFunction("f", "a", { reserved: undefined, provisioned: { 1: { claimed: 2, usable: 2 } } });
    const of = { pool: "provisioned", version: "1", nowMs: 0 } as const;
    assert.deepEqual(
      [ledger.takeAhead("f", { ...of, count: 11 }), ledger.takeAhead("f", { ...of, count: 10 })],
      [false, true],
    );
    assert.equal(ledger.takeAhead("f", { ...of, pool: "onDemand", count: 11 }), true);
  });

  it("counts accounts apart", () => {
    const ledger = new ConcurrencyLedger(1);
    ledger.setFunction("f", "a", undefined);
    ledger.setFunction("g", "b", undefined);
    assert.deepEqual([ledger.admit("f").ok, ledger.admit("g").ok, ledger.admit("f").ok], [true, true, false]);
  });

  it("admits exactly while the limits allow it, whatever changes in between", () => {
    const limit = 6;
    const uid = fc.constantFrom("f", "g", "h");
    const step = fc.oneof(
      fc.record({ do: fc.constant("admit" as const), uid }),
      fc.record({ do: fc.constant("leave" as const), uid }),
      fc.record({ do: fc.constant("set" as const), uid, reserved: fc.option(fc.nat(4), { nil: undefined }) }),
      fc.record({ do: fc.constant("remove" as const), uid }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = new ConcurrencyLedger(limit);
        const model = new Map<string, { running: number; reserved: number | undefined; isThere: boolean }>();
        for (const next of steps) {
          const known = model.get(next.uid);
          if (next.do === "set") {
            ledger.setFunction(next.uid, "a", next.reserved);
            model.set(next.uid, { running: known?.running ?? 0, reserved: next.reserved, isThere: true });
          } else if (known === undefined) continue;
          else if (next.do === "remove") {
            ledger.removeFunction(next.uid);
            model.set(next.uid, { ...known, reserved: undefined, isThere: false });
          } else if (next.do === "leave") {
            if (known.running === 0) continue;
            ledger.leave(next.uid);
            known.running -= 1;
          } else if (known.isThere) {
            const all = [...model.values()];
            const reserved = all.reduce((sum, one) => sum + (one.reserved ?? 0), 0);
            const shared = all.reduce((sum, one) => sum + (one.reserved === undefined ? one.running : 0), 0);
            const total = all.reduce((sum, one) => sum + one.running, 0);
            const hasRoom = known.reserved === undefined ? shared < limit - reserved : known.running < known.reserved;
            const isAllowed = hasRoom && total < limit;
            assert.equal(ledger.admit(next.uid).ok, isAllowed);
            if (isAllowed) known.running += 1;
          }
          assert.equal(
            ledger.total,
            [...model.values()].reduce((sum, one) => sum + one.running, 0),
          );
        }
      }),
    );
  });
});
