import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { isDeepEqual, isRecord } from "./deep-equal.ts";
import { createMergePatch } from "./merge-patch.ts";

/** RFC 7396, section 2, as it stands there. */
function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name);
    else result[name] = applyMergePatch(result[name], value);
  }
  return result;
}

const cases: Record<string, { before: unknown; after: unknown; want: unknown }> = {
  "is nothing for equals": { before: { a: [1, { b: 2 }] }, after: { a: [1, { b: 2 }] }, want: undefined },
  "is nothing when only the order of members differs": {
    before: { a: 1, b: 2 },
    after: { b: 2, a: 1 },
    want: undefined,
  },
  "takes undefined for absent": { before: { a: 1 }, after: { a: 1, b: undefined }, want: undefined },
  "carries the difference only": {
    before: { a: 1, b: { c: 1, d: 1 } },
    after: { a: 1, b: { c: 1, d: 2 } },
    want: { b: { d: 2 } },
  },
  "removes with null": { before: { a: 1, b: 2 }, after: { a: 1 }, want: { b: null } },
  "replaces a list whole": { before: { l: [1, 2] }, after: { l: [1] }, want: { l: [1] } },
  "replaces a value by an object": { before: { a: 1 }, after: { a: { b: 1 } }, want: { a: { b: 1 } } },
};

describe("createMergePatch", () => {
  for (const [sentence, { before, after, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(createMergePatch(before, after), want));
  }

  it("makes the one into the other, whatever they are (null cannot be said in a merge patch)", () => {
    const { tree } = fc.letrec((tie) => ({
      leaf: fc.oneof(fc.integer(), fc.boolean(), fc.constantFrom("", "x", "y")),
      tree: fc.dictionary(
        fc.constantFrom("a", "b", "c"),
        fc.oneof({ maxDepth: 3 }, tie("leaf"), fc.array(tie("leaf"), { maxLength: 2 }), tie("tree")),
      ),
    }));
    fc.assert(
      fc.property(tree, tree, (before, after) => {
        const patch = createMergePatch(before, after);
        const result = patch === undefined ? before : applyMergePatch(before, patch);
        assert.equal(patch === undefined, isDeepEqual(before, after));
        assert(isDeepEqual(result, after), JSON.stringify({ before, after, patch }));
      }),
    );
  });
});
