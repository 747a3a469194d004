import assert from "node:assert/strict";
import type { Recipe } from "../controllers/function/recipe.ts";
import { CalledKinds, type Call } from "./called-kinds.ts";
import type { PoolKind } from "./pool-decide.ts";

describe("kinds that were called lately", () => {
  const kind: PoolKind = { namespace: "team", genericID: "id" };
  const call: Call = { namespace: "team", functionUid: "uid", revisionID: "r1" };
  let called: CalledKinds;
  let asked: number;
  beforeEach(() => {
    asked = 0;
    called = new CalledKinds({ recipeOf: () => ({}) as Recipe, genericIDOf: () => kind.genericID, keepMs: 1000 });
  });

  function look(present: readonly PoolKind[], nowMs: number): readonly string[] {
    called.recall(present, nowMs, () => {
      asked += 1;
      return call;
    });
    return called.kinds(nowMs).map(({ genericID }) => genericID);
  }

  it("are those of pods that a leader before has left, as if called now, once", () => {
    assert.deepEqual(look([kind], 0), ["id"]);
    assert.deepEqual(look([kind], 999), ["id"]);
    assert.deepEqual(look([kind], 1000), []);
    assert.deepEqual(look([kind], 2000), []);
    assert.equal(asked, 1);
  });

  it("are not called again by pods that are made for them", () => {
    for (let nowMs = 0; nowMs < 1000; nowMs += 200) look(nowMs % 400 === 0 ? [kind] : [], nowMs);
    assert.deepEqual(look([kind], 1000), []);
    assert.equal(asked, 1);
  });

  it("are forgotten when neither a call nor a pod is left of them, and known anew", () => {
    look([kind], 0);
    look([kind], 1000);
    look([], 1500);
    assert.deepEqual(look([kind], 2000), ["id"]);
    assert.equal(asked, 2);
  });
});
