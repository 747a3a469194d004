import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { functionObject, keptRecipe, recipeFor, resolvedPackage } from "../test/kit/function-seen.ts";
import { keptVersion, layerPackage, layerUse } from "../test/kit/layer-seen.ts";
import type { LayerUse } from "./controllers/function/layer-use.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { settle } from "../test/kit/kubernetes/settle.ts";
import { collectReferences, startReferences, type ReferencesOptions } from "./references.ts";

function snapshotOfCode(digest: string, layer: LayerUse) {
  const recipe = recipeFor(functionObject(), [layer]);
  return { metadata: { namespace: "team" }, data: { recipe: { ...recipe, code: { ...recipe.code, digest } } } };
}

describe("collectReferences", () => {
  const listOf = <T>(...items: T[]) => ({ list: () => items, isStale: () => false });

  it("names code and layers of every recipe, and every version of functions and layers, each once", () => {
    const shared = layerUse("shared", { namespace: "other" });
    const recipes = [[shared], [shared, layerUse("gone")]].map((layers) =>
      keptRecipe(recipeFor(functionObject(), layers)),
    );
    const versions = [keptVersion(1), keptVersion(2), keptVersion(3, { digest: "sha256:three" })];
    const caches = {
      functions: listOf(functionObject()),
      recipes: listOf(...recipes),
      layerVersions: listOf(...versions),
      snapshots: listOf(snapshotOfCode("sha256:published", layerUse("frozen"))),
    };
    const references = collectReferences(caches as unknown as Parameters<typeof collectReferences>[0]);
    const want = [resolvedPackage.digest, shared.digest, layerUse("gone").digest, layerPackage.digest, "sha256:three"];
    want.push("sha256:published", layerUse("frozen").digest);
    assert.deepEqual(references, { team: want.toSorted() });
  });
});

describe("startReferences", () => {
  const empty = { list: () => [], isStale: () => false };

  function begin(store: Partial<ReferencesOptions["store"]>, clock: ManualClock) {
    const missing: unknown[] = [];
    const end = startReferences({
      store: { storeChanges: 0, identify: () => Promise.resolve(), ...store } as ReferencesOptions["store"],
      caches: { functions: empty, recipes: empty, layerVersions: empty, snapshots: empty } as never,
      ...{ clock, everyMs: 60_000, mayAct: () => true },
      log: { warn: () => undefined } as unknown as ReferencesOptions["log"],
      onMissing: (lacking) => void missing.push(lacking),
    });
    return { missing, end };
  }

  it("asks at once what the store lacks: it may have become another one while nobody led", async () => {
    const clock = new ManualClock();
    const lacking = { team: ["sha256:a"] };
    const { missing, end } = begin({ putReferences: () => Promise.resolve(lacking) }, clock);
    clock.advance(0);
    await settle();
    assert.deepEqual(missing, [lacking]);
    clock.advance(30_000);
    await settle();
    assert.deepEqual(missing, [lacking], "and once a minute from then on");
    end();
  });

  it("asks soon again while the store does not answer", async () => {
    const clock = new ManualClock();
    let tries = 0;
    const identify = (): Promise<void> => (tries++ < 2 ? Promise.reject(new Error("down")) : Promise.resolve());
    const { missing, end } = begin({ identify, putReferences: () => Promise.resolve({ team: ["sha256:a"] }) }, clock);
    for (let i = 0; i < 3; i += 1) {
      clock.advance(i === 0 ? 0 : 5000);
      await settle();
    }
    assert.equal(missing.length, 1);
    end();
  });
});
