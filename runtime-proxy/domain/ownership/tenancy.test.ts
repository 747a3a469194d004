import assert from "node:assert/strict";
import { claimOf, end, give, hear, inheritedTenancy, lend, newTenancy } from "./tenancy.ts";

const epoch = 3;

describe("an owner's tenancy of an environment", () => {
  it("is free after an answer, also when a word from before comes late", () => {
    const tenancy = newTenancy(100);
    const turn = give(tenancy);
    end(tenancy, "answered", epoch);
    hear(tenancy, { isRunning: true, position: { epoch, turn } }, epoch);
    assert.equal(tenancy.mayRun, false);
  });

  it("stays what a lost grant made it until the agent has said that nothing runs", () => {
    const tenancy = newTenancy(100);
    const turn = give(tenancy);
    end(tenancy, "lost", epoch);
    hear(tenancy, { isRunning: true, position: { epoch, turn: turn + 1 } }, epoch);
    assert.equal(tenancy.mayRun, true);
    hear(tenancy, { isRunning: false, position: { epoch, turn } }, epoch);
    assert.equal(tenancy.mayRun, true);
    hear(tenancy, { isRunning: false, position: { epoch, turn: turn + 1 } }, epoch);
    assert.equal(tenancy.mayRun, false);
  });

  it("counts what runs by a grant that is not of this owner's life", () => {
    for (const position of [{ epoch, turn: 100 }, { epoch, turn: 7 }, { epoch: epoch - 1, turn: 101 }, undefined]) {
      const tenancy = newTenancy(100);
      give(tenancy);
      end(tenancy, "answered", epoch);
      hear(tenancy, { isRunning: true, position }, epoch);
      assert.equal(tenancy.mayRun, true, JSON.stringify(position));
    }
  });

  it("counts what another may have given out until its agent has seen the claim", () => {
    const tenancy = inheritedTenancy(epoch, 100);
    hear(tenancy, { isRunning: false, position: { epoch: epoch - 1, turn: 40 } }, epoch);
    assert.equal(tenancy.mayRun, true);
    hear(tenancy, { isRunning: true, position: { epoch, turn: 100 } }, epoch);
    assert.equal(tenancy.mayRun, true);
    hear(tenancy, { isRunning: false, position: { epoch, turn: 100 } }, epoch);
    assert.equal(tenancy.mayRun, false);
  });

  it("gives the numbers that it has lent to nobody else, and a claim is behind them", () => {
    const tenancy = newTenancy(100);
    const turn = give(tenancy);
    lend(tenancy, 15);
    end(tenancy, "answered", epoch);
    assert.equal(claimOf(tenancy, epoch).turn, turn + 15);
    assert.equal(give(tenancy), turn + 16);
  });

  it("of a life before, claims behind all that it may have lent", () => {
    const tenancy = inheritedTenancy(epoch, 100);
    hear(tenancy, { isRunning: false, position: { epoch, turn: 120 } }, epoch);
    assert.equal(tenancy.mayRun, true);
    assert.ok(claimOf(tenancy, epoch).turn > 120 + 2 * 16);
  });

  it("of a life before with lower numbers, goes on behind those", () => {
    const tenancy = inheritedTenancy(epoch, 9_000_000);
    hear(tenancy, { isRunning: false, position: { epoch, turn: 120 } }, epoch);
    assert.equal(tenancy.mayRun, true);
    const claim = claimOf(tenancy, epoch);
    assert.ok(claim.turn > 120 + 2 * 16 && claim.turn < 9_000_000);
    hear(tenancy, { isRunning: false, position: claim }, epoch);
    assert.equal(tenancy.mayRun, false);
  });
});
