import assert from "node:assert/strict";
import type { EnvironmentAnnouncement } from "../crds/wire/environment.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { OwnershipGate, type EnvironmentNow } from "./ownership-gate.ts";

describe("OwnershipGate", () => {
  let clock: ManualClock;
  let environment: EnvironmentNow;
  let told: EnvironmentAnnouncement[];
  let owners: unknown[];
  let gate: OwnershipGate;
  beforeEach(() => {
    clock = new ManualClock();
    environment = { address: "10.0.0.1:9001", state: "starting", isRunning: false };
    told = [];
    owners = [];
    gate = new OwnershipGate({
      podUid: "pod-1",
      epoch: 3,
      clock,
      environment: () => environment,
      announcer: {
        announce: (announcement) => told.push(announcement),
        setOwner: (owner) => owners.push(owner),
        keepTelling: () => undefined,
      },
    });
  });
  const grant = (epoch: number, turn: number) => ({ epoch, turn, heardMs: clock.monotonicMs() });
  const isLetIn = (...position: Parameters<typeof grant>): boolean => gate.refusal(grant(...position)) === undefined;

  it("lets a grant in once, and none that stands before what it has seen", () => {
    assert.deepEqual([isLetIn(2, 9), isLetIn(3, 1)], [false, true]);
    gate.callBegins(grant(3, 1));
    assert.deepEqual([isLetIn(3, 1), isLetIn(3, 2)], [false, true]);
    gate.claim({ epoch: 4, turn: 7 }, "10.0.0.9:8080");
    assert.deepEqual([isLetIn(3, 8), isLetIn(4, 7), isLetIn(4, 8)], [false, false, true]);
    gate.claim({ epoch: 3, turn: 99 }, "10.0.0.8:8080");
    assert.deepEqual(owners, [{ epoch: 4, address: "10.0.0.9:8080" }]);
    assert.deepEqual(gate.announcement().position, { epoch: 4, turn: 7 });
  });

  it("obeys one life of an owner under one roster, whatever numbers another gives", () => {
    gate.claim({ epoch: 3, turn: 50_000_000 }, "");
    assert.deepEqual([isLetIn(3, 90_000_000), isLetIn(3, 50_000_001)], [false, true]);
    gate.claim({ epoch: 3, turn: 90_000_000 }, "");
    assert.deepEqual(gate.announcement().position, { epoch: 3, turn: 50_000_000 });
    assert.equal(isLetIn(4, 1), true);
  });

  it("goes by no roster that is older than the one it knows", () => {
    gate.putUnder(5);
    gate.putUnder(4);
    assert.equal(gate.epoch, 5);
  });

  it("is to tell of a call's end whoever was told that it runs, and nobody else", () => {
    gate.announce();
    gate.callBegins(grant(3, 1));
    assert.equal(gate.callEnds(), false);
    environment = { ...environment, isRunning: true };
    gate.callBegins(grant(3, 2));
    gate.announcement();
    environment = { ...environment, isRunning: false };
    assert.deepEqual([gate.callEnds(), gate.callEnds()], [true, false]);
  });

  it("numbers what it tells, and tells it again for a minute after an init or a call", () => {
    gate.announce();
    assert.equal(gate.renewal(), undefined);
    environment = { ...environment, state: "ready", init: { ok: true, durationMs: 1 } };
    gate.announce();
    clock.advance(60_000);
    const renewed = gate.renewal();
    clock.advance(1);
    assert.equal(gate.renewal(), undefined);
    gate.callBegins(grant(3, 1));
    assert.deepEqual(
      [...told, renewed, gate.renewal()].map((announcement) => announcement?.sequence),
      [1, 2, 3, 4],
    );
  });
});
