import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { functionObject, keptRecipe, recipeFor, resolvedPackage } from "../test/kit/function-seen.ts";
import { keptVersion, layerPackage, layerUse } from "../test/kit/layer-seen.ts";
import type { LayerUse } from "./controllers/function/layer-use.ts";
import { collectReferences } from "./references.ts";

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
