import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ownedBy } from "../lib/kubernetes/object.ts";
import { layerObject } from "../test/kit/layer-seen.ts";
import { awaitRestoreMs, ownerKey, orphanKey, publishedAnnotation, publishedNumber } from "./restored.ts";

const annotation = "kubelambda.dev/published-version";

function annotated(text: string | undefined) {
  const object = layerObject();
  return {
    ...object,
    metadata: { ...object.metadata, ...(text !== undefined && { annotations: { [annotation]: text } }) },
  };
}

describe("restored objects", () => {
  const texts: Record<string, { text: string | undefined; number: number }> = {
    "no annotation": { text: undefined, number: 0 },
    "a number": { text: "17", number: 17 },
    "no number": { text: "v17", number: 0 },
    "a number that is too large to count on": { text: "9".repeat(16), number: 0 },
  };
  for (const [what, { text, number }] of Object.entries(texts)) {
    it(`are read with ${what}`, () => {
      assert.equal(publishedNumber(annotated(text)), number);
    });
  }

  it("never tell of a lower number than they told of", () => {
    assert.deepEqual(publishedAnnotation(annotated("3"), 4), { [annotation]: "4" });
    for (const number of [0, 2, 3]) assert.deepEqual(publishedAnnotation(annotated("3"), number), {});
    assert.deepEqual(publishedAnnotation(annotated(undefined), 0), {});
  });

  it("wait a minute from their creation for what they published, and not at all when it is there", () => {
    const young = "2026-01-01T00:00:20Z";
    assert.equal(awaitRestoreMs(annotated("3"), 2, young), 40_000);
    assert.equal(awaitRestoreMs(annotated("3"), 3, young), 0);
    assert.equal(awaitRestoreMs(annotated("3"), 0, "2026-01-01T00:01:00Z"), 0);
    assert.equal(awaitRestoreMs(annotated(undefined), 0, young), 0);
  });

  it("are found by their owner's uid, and without an owner by its name", () => {
    const owner = annotated(undefined);
    const child = { ...owner, metadata: { ...owner.metadata, ownerReferences: [ownedBy(owner)] } };
    assert.equal(ownerKey(child, "tools"), owner.metadata.uid);
    assert.equal(ownerKey(owner, "tools"), orphanKey("team", "tools"));
  });
});
