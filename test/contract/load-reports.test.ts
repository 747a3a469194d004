/** What a router tells of its load, and what the operator makes of it: the same as if each report named all functions. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type { FunctionLoad, LoadReport } from "../../crds/wire/load-report.ts";
import { LoadBoard } from "../../operator/scaling/load-board.ts";
import { isWorthReporting } from "../../runtime-proxy/domain/demand.ts";
import { ToldLoads, type Word } from "../../runtime-proxy/domain/told-loads.ts";

const replica = "router";
const uids = ["a", "b", "c"];
const revisions = ["r1", "r2"];
const podUids = ["p", "q"];
/** What becomes of a report. */
const fates = ["answered", "answerLost", "reportLost", "newLeader"] as const;

interface Change {
  readonly uid: string;
  readonly revisionID: string;
  readonly needed: number;
  readonly idle: readonly string[];
  readonly released: readonly string[];
  /** False: the function goes. */
  readonly isThere: boolean;
}

interface Step {
  readonly changes: readonly Change[];
  readonly fate: (typeof fates)[number];
  /** What the answer asks back. */
  readonly asked: readonly string[];
}

const change: fc.Arbitrary<Change> = fc.record({
  uid: fc.constantFrom(...uids),
  revisionID: fc.constantFrom(...revisions),
  needed: fc.nat(2),
  idle: fc.subarray(podUids),
  released: fc.subarray(podUids),
  isThere: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.record({
  changes: fc.array(change, { maxLength: 3 }),
  fate: fc.constantFrom(...fates),
  asked: fc.subarray(podUids),
});

class World {
  readonly #truth = new Map<string, Map<string, FunctionLoad>>();
  readonly #told = new ToldLoads({ all: () => this.#truth.keys(), loadsOf: (uid) => this.#loadsOf(uid) });
  #sequence = 0;
  board = new LoadBoard();
  /** Takes whole reports, each time that the other takes one. */
  reference = new LoadBoard();

  take({ changes, fate, asked }: Step): boolean {
    for (const each of changes) this.#change(each);
    if (fate === "newLeader") [this.board, this.reference] = [new LoadBoard(), new LoadBoard()];
    const isTaken = this.#report(fate, new Set(asked));
    return isTaken && fate !== "reportLost";
  }

  worthOf(uid: string): readonly FunctionLoad[] {
    return this.#loadsOf(uid).filter(isWorthReporting);
  }

  #report(fate: Step["fate"], asked: ReadonlySet<string>): boolean {
    const word = this.#told.draw();
    if (fate === "reportLost") {
      this.#told.lost();
      return false;
    }
    this.#sequence += 1;
    const sequence = this.#sequence;
    const taken = this.board.take(this.#reportOf(word), 0);
    if (taken === "taken") this.reference.take(this.#reportOf(this.#whole()), 0);
    for (const board of [this.board, this.reference]) board.answered(replica, asked);
    if (fate === "answerLost") this.#told.lost();
    // The whole report that follows at once is answered.
    else if (this.#told.heard(taken === "taken" ? sequence : undefined)) return this.#report("answered", asked);
    return taken === "taken";
  }

  #reportOf(word: Word): LoadReport {
    return { replica, sequence: this.#sequence, ...word };
  }

  #whole(): Word {
    return { functions: [...this.#truth.keys()].flatMap((uid) => this.worthOf(uid)) };
  }

  #loadsOf(uid: string): readonly FunctionLoad[] {
    return [...(this.#truth.get(uid)?.values() ?? [])];
  }

  #change({ uid, revisionID, needed, idle, released, isThere }: Change): void {
    this.#told.touch(uid);
    if (!isThere) {
      this.#truth.delete(uid);
      return;
    }
    const loads = this.#truth.get(uid) ?? new Map<string, FunctionLoad>();
    const listed = { idle: idle.map((podUid) => ({ podUid, idleForMs: 1 })), released: [...released] };
    loads.set(revisionID, { namespace: "n", name: uid, functionUid: uid, revisionID, needed, ...listed });
    this.#truth.set(uid, loads);
  }
}

describe("load reports", () => {
  it("say what whole reports would, whatever is lost on the way and whoever leads", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const world = new World();
        for (const each of steps) {
          if (!world.take(each)) continue;
          for (const uid of uids)
            for (const revisionID of revisions) {
              const [seen] = world.board.of("n", uid, revisionID);
              const [want] = world.reference.of("n", uid, revisionID);
              assert.equal(seen?.needed, want?.needed);
              assert.deepEqual(seen?.idleForMsByUid, want?.idleForMsByUid);
              if (world.worthOf(uid).length > 0) assert.deepEqual(seen?.confirmed, want?.confirmed);
            }
        }
        // What became quiet is told so once, and then no more.
        for (let i = 0; i < 3; i += 1) world.take({ changes: [], fate: "answered", asked: [] });
        for (const uid of uids) assert.equal(world.board.knows(uid), world.worthOf(uid).length > 0);
      }),
      { numRuns: 1000 },
    );
  });

  it("name only what has changed once the operator has one", () => {
    const told = new ToldLoads({ all: () => uids, loadsOf: (uid) => [loadOf(uid)] });
    assert.equal(told.draw().functions.length, 3);
    told.heard(1);
    assert.deepEqual(told.draw(), { since: 1, functions: [], gone: [] });
    told.heard(2);
    told.touch("b");
    assert.deepEqual(told.draw(), { since: 2, functions: [loadOf("b")], gone: [] });
    told.lost();
    assert.deepEqual(told.draw(), { since: 2, functions: [loadOf("b")], gone: [] });
    assert.equal(told.heard(undefined), true);
    assert.equal(told.draw().functions.length, 3);
  });
});

function loadOf(uid: string): FunctionLoad {
  return { namespace: "n", name: uid, functionUid: uid, revisionID: "r1", needed: 1, idle: [], released: [] };
}
