import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { candidate, snapshot } from "../../test/kit/version-seen.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import { groupByVersion } from "./scaling-targets.ts";

function recipe(revisionID: string): Recipe {
  const { recipe: one } = snapshot(1, candidate());
  return { ...one, document: { ...one.document, revisionID } };
}

const targets = {
  latest: recipe("latest"),
  versions: new Map(["v1", "v2", "v3"].map((revisionID) => [revisionID, recipe(revisionID)] as const)),
};

function groupsOf(revisionIDs: readonly string[], reported: readonly string[]): readonly string[] {
  const environments = revisionIDs.map((revisionID) => ({ revisionID }));
  return groupByVersion(targets, environments, new Set(reported)).map(
    (group) =>
      `${group.recipe?.document.revisionID ?? "none"}: ${group.environments.map((one) => one.revisionID).join()}`,
  );
}

describe("groupByVersion", () => {
  const cases: Record<
    string,
    { environments: readonly string[]; reported: readonly string[]; want: readonly string[] }
  > = {
    "$LATEST alone where nothing is called": { environments: [], reported: [], want: ["latest: "] },
    "what is left of former revisions to $LATEST": {
      environments: ["latest", "old", "v1"],
      reported: [],
      want: ["latest: latest,old", "v1: v1"],
    },
    "a version that is called and has no environment": {
      environments: [],
      reported: ["v2"],
      want: ["latest: ", "v2: "],
    },
    "nothing to a revision that is reported and is no version's": {
      environments: ["gone"],
      reported: ["gone"],
      want: ["latest: gone"],
    },
    "each version its own": {
      environments: ["v1", "v2", "v1"],
      reported: ["v1"],
      want: ["latest: ", "v1: v1,v1", "v2: v2"],
    },
  };
  for (const [title, { environments, reported, want }] of Object.entries(cases)) {
    it(`gives ${title}`, () => {
      assert.deepEqual(groupsOf(environments, reported), want);
    });
  }
});
