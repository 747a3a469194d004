import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { FunctionLoad, LoadReport } from "../../crds/wire/load-report.ts";
import { LoadBoard } from "./load-board.ts";

function load(changes: Partial<FunctionLoad> = {}): FunctionLoad {
  return {
    namespace: "n",
    name: "f",
    functionUid: "f",
    revisionID: "r",
    needed: 0,
    idle: [],
    released: [],
    ...changes,
  };
}
function report(sequence: number, functions: FunctionLoad[] = [load()], replica = "a"): LoadReport {
  return { replica, sequence, functions };
}
function confirmed(board: LoadBoard): readonly string[] {
  return board.of("n", "f", "r").flatMap((seen) => [...seen.confirmed]);
}

describe("LoadBoard", () => {
  it("adds up what one router needs of a revision, and leaves other revisions out", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ needed: 2 }), load({ needed: 3, revisionID: "old" })]), 0);
    assert.deepEqual(
      board.of("n", "f", "r").map(({ needed }) => needed),
      [2],
    );
  });

  it("has news of what is needed, given back, failed, or idle in another number, and none of what is only idle for longer", () => {
    const board = new LoadBoard();
    const idle = [{ podUid: "p", idleForMs: 1 }];
    const failure = { podUid: "p", errorType: "E", errorMessage: "m" };
    const first = report(1, [load({ idle })]);
    assert.deepEqual([...board.newsOf(first)], ["f"]);
    board.take(first, 0);
    assert.deepEqual([...board.newsOf(report(2, [load({ idle: [{ podUid: "p", idleForMs: 500 }] })]))], []);
    const news: readonly Partial<FunctionLoad>[] = [
      { needed: 1 },
      { released: ["p"] },
      { failure },
      { revisionID: "next" },
      { initFailed: ["p"] },
      { unreachable: ["p"] },
    ];
    for (const changes of news)
      assert.deepEqual([...board.newsOf(report(2, [load({ idle, ...changes })]))], ["f"], JSON.stringify(changes));
    assert.deepEqual([...board.newsOf(report(2, [load()]))], ["f"]);
  });

  it("takes no report that is older than the last", () => {
    const board = new LoadBoard();
    assert.equal(board.take(report(2, [load({ needed: 2 })]), 0), "taken");
    assert.equal(board.take(report(1, [load({ needed: 9 })]), 100), "stale");
    assert.deepEqual(
      board.of("n", "f", "r").map(({ needed }) => needed),
      [2],
    );
  });

  it("takes a router that counts from the beginning again after a restart", () => {
    const board = new LoadBoard();
    board.take(report(500), 0);
    assert.equal(board.take(report(1), 5000), "taken");
  });

  it("does not count what was given back before we asked", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ released: ["x"] })]), 0);
    assert.deepEqual(confirmed(board), [], "a former leader asked for it");
    board.answered("a", new Set(["x"]));
    assert.deepEqual(confirmed(board), [], "the answer may not have arrived");
    board.take(report(2, [load({ released: ["x"] })]), 100);
    assert.deepEqual(confirmed(board), ["x"]);
  });

  it("takes it as given back when a router has nothing of the function after it was asked", () => {
    const board = new LoadBoard();
    board.take(report(1), 0);
    board.answered("a", new Set(["x"]));
    board.take(report(2, []), 100);
    assert.deepEqual(confirmed(board), ["x"]);
  });

  it("takes nothing as given back of which a router says that it runs a call", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ inUse: ["x"] })]), 0);
    board.answered("a", new Set(["x"]));
    board.take(report(2, [load({ inUse: ["x"] })]), 100);
    assert.deepEqual(confirmed(board), []);
    assert.deepEqual([...board.inUseOf("f")], ["x"]);
  });

  it("keeps what a report does not name that tells what has changed, and forgets what is gone", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ needed: 1 }), load({ functionUid: "g", needed: 2 })]), 0);
    board.take({ ...report(2, [load({ functionUid: "g", needed: 3 })]), since: 1 }, 100);
    assert.deepEqual([board.of("n", "f", "r")[0]?.needed, board.of("n", "g", "r")[0]?.needed], [1, 3]);
    board.take({ ...report(3, []), since: 2, gone: ["f"] }, 200);
    assert.deepEqual([board.knows("f"), board.knows("g")], [false, true]);
  });

  it("takes no changes of what it does not have", () => {
    const board = new LoadBoard();
    const changes = { ...report(8, [load({ needed: 1 })]), since: 7 };
    assert.equal(board.take(changes, 0), "unknownBase");
    assert.deepEqual(board.of("n", "f", "r"), []);
    board.take(report(6), 0);
    assert.equal(board.take(changes, 0), "unknownBase");
    assert.equal(board.take({ ...changes, since: 6 }, 0), "taken");
    assert.equal(board.take({ ...changes, since: 6 }, 90_000), "stale", "only a whole report begins a new life");
  });

  it("lets what is idle or in doubt be so for longer, until its router was heard last", () => {
    const board = new LoadBoard();
    const inDoubt = [{ podUid: "q", forMs: 1 }];
    board.take(report(1, [load({ idle: [{ podUid: "p", idleForMs: 10 }], inDoubt })]), 1000);
    board.take({ ...report(2, []), since: 1 }, 1500);
    assert.equal(board.of("n", "f", "r")[0]?.idleForMsByUid.get("p"), 510);
    assert.equal(board.of("n", "f", "r")[0]?.inDoubtForMsByUid?.get("q"), 501);
    assert.equal(board.wasUsed("f", "p", 510), false);
  });

  it("forgets a router that is gone", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ needed: 1 })]), 0);
    assert.deepEqual([...board.drop("a")], ["f"]);
    assert.deepEqual(board.of("n", "f", "r"), []);
  });

  it("has news of each environment more whose init has failed, and none of those that it knows", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ initFailed: ["p"] })]), 0);
    assert.deepEqual([...board.newsOf(report(2, [load({ initFailed: ["p"] })]))], []);
    assert.deepEqual([...board.newsOf(report(2, [load({ initFailed: ["q"] })]))], ["f"]);
    assert.deepEqual([...board.newsOf(report(2, [load({ initFailed: ["p", "q"] })]))], ["f"]);
  });

  it("knows what is in doubt, and for how long", () => {
    const board = new LoadBoard();
    board.take(report(1, [load({ inDoubt: [{ podUid: "p", forMs: 7 }] })]), 0);
    assert.deepEqual(
      board.of("n", "f", "r").map(({ inDoubtForMsByUid }) => [...(inDoubtForMsByUid ?? [])]),
      [[["p", 7]]],
    );
  });

  it("minds what a router said of an account no more once another owns it, also when the one is silent", () => {
    let owner = "a";
    const board = new LoadBoard((replica) => replica === owner);
    const failure = { podUid: "p", errorType: "E", errorMessage: "m" };
    board.take(report(1, [load({ needed: 3, failure, unreachable: ["p"], initFailed: ["p"] })], "a"), 0);
    board.take(report(1, [load({ needed: 1 })], "b"), 0);
    const needed = () => board.of("n", "f", "r").map((seen) => seen.needed);
    assert.deepEqual(needed(), [3]);
    owner = "b";
    assert.deepEqual(needed(), [1]);
    assert.equal(board.failureOf("f", "r"), undefined);
    assert.deepEqual([board.unreachable("f").size, board.initFailedOf("f").size], [0, 0]);
    owner = "c";
    assert.deepEqual(board.of("n", "f", "r"), [], "nobody has spoken who owns it: everything stays");
  });

  it("knows the failure of the present revision only", () => {
    const failure = { podUid: "p", errorType: "E", errorMessage: "m" };
    const board = new LoadBoard();
    board.take(report(1, [load({ failure })]), 0);
    assert.deepEqual(board.failureOf("f", "r"), failure);
    assert.equal(board.failureOf("f", "next"), undefined);
  });

  it("knows whether calls used an environment lately", () => {
    const board = new LoadBoard();
    const idle = [
      { podUid: "recent", idleForMs: 999 },
      { podUid: "unused", idleForMs: 1000 },
    ];
    board.take(report(1, [load({ needed: 1, idle, released: ["back"] })]), 0);
    const used = ["recent", "unused", "back", "busy"].filter((uid) => board.wasUsed("f", uid, 1000));
    assert.deepEqual(used, ["recent", "busy"]);
    board.take(report(2, [load({ idle })]), 1);
    assert.equal(board.wasUsed("f", "busy", 1000), false, "nothing runs");
    assert.equal(board.wasUsed("other", "recent", 1000), false);
  });
});
