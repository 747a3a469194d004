import assert from "node:assert/strict";
import { labels } from "../../crds/names.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../pod.ts";
import { environmentState } from "./environment-state.ts";
import { FunctionScaling } from "./function-scaling.ts";

function ending(uid: string): Stored<Pod> {
  const at = "2026-01-01T00:00:00Z";
  const times = { creationTimestamp: at, deletionTimestamp: at, resourceVersion: "1" };
  const metadata = { name: uid, uid, ...times, labels: { [labels.revision]: "r" } };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] } };
}

describe("FunctionScaling", () => {
  it("asks for a creation when a watch should have shown it, and at once when the API server went away over it", () => {
    const scaling = new FunctionScaling();
    scaling.expect({ name: "a", revisionID: "r", atMs: 1000 });
    assert.deepEqual(scaling.takeOverdue(1000, 1000), []);
    assert.deepEqual(scaling.takeOverdue(1001, 1001), ["a"]);
    scaling.doubt("a");
    assert.deepEqual(scaling.takeOverdue(0, 1001), ["a"]);
    assert.equal(scaling.creating("r"), 1, "it may be there");
    scaling.settle("a");
    scaling.doubt("a");
    assert.deepEqual(scaling.takeOverdue(2000, 2000), []);
  });

  it("has been at its most for ten seconds after calls needed no more", () => {
    const scaling = new FunctionScaling();
    scaling.noteAtMost(["r"], 0);
    scaling.noteAtMost([], 9999);
    assert.equal(scaling.isAtMost("r"), true);
    assert.equal(scaling.isAtMost("other"), false);
    assert.equal(scaling.isEmpty, false, "it is looked at again");
    scaling.noteAtMost([], 10_000);
    assert.equal(scaling.isAtMost("r"), false);
    assert.equal(scaling.isEmpty, true);
  });

  it("asks for a creation once in that time, and for none that waits for its turn", () => {
    const scaling = new FunctionScaling();
    scaling.expect({ name: "sent", revisionID: "r", atMs: 1000 });
    scaling.expect({ name: "waits", revisionID: "r", atMs: Infinity });
    const asked = Array.from({ length: 30 }, (_, i) => {
      const nowMs = 2000 + i * 1000;
      return scaling.takeOverdue(nowMs - 10_000, nowMs);
    });
    assert.deepEqual(
      asked.flatMap((names, i) => names.map((name) => [name, i])),
      [
        ["sent", 10],
        ["sent", 21],
      ],
    );
    assert.equal(scaling.creating("r"), 2);
  });

  it("changes with time for whatever is told by nobody, which creations are not", () => {
    const scaling = new FunctionScaling();
    scaling.expect({ name: "waits", revisionID: "r", atMs: Infinity });
    assert.deepEqual([scaling.isEmpty, scaling.changesWithTime], [false, false]);
    scaling.removing("a");
    assert.deepEqual([scaling.isEmpty, scaling.changesWithTime], [false, true]);
    scaling.notRemoved("a");
    scaling.settle("waits");
    assert.deepEqual([scaling.isEmpty, scaling.changesWithTime], [true, false]);
    scaling.fail({ revisionID: "r", failure: { reason: "Crashed", message: "m" }, isSlowToMend: false }, 0);
    assert.equal(scaling.changesWithTime, true);
  });

  it("misses what somebody else takes away and calls used when that was first seen, not what it removes itself", () => {
    const scaling = new FunctionScaling();
    const [theirs, ours] = [ending("theirs"), ending("ours")];
    scaling.removing("ours");
    scaling.look([theirs, ours], 0);
    const missed = (pod: Stored<Pod>, wasInDemand: boolean) =>
      scaling.isMissed(environmentState(pod), () => wasInDemand);
    assert.equal(missed(theirs, true), true);
    assert.equal(missed(theirs, false), true, "its routers know it no more");
    assert.equal(missed(ours, true), false);
    scaling.look([ours], 0);
    assert.equal(missed(theirs, false), false, "it is another by now");
  });
});
