import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { corpusKinds, inlineCode, manifestOf } from "../test/kit/crd-corpus.ts";
import type { ParseResult } from "./parse.ts";

for (const { kind, corpus, parse } of corpusKinds) {
  describe(`${kind} without an API server`, () => {
    for (const { shows, spec } of corpus.good) {
      it(`takes ${shows}`, () => {
        valueOf(parse(manifestOf(kind, "a", spec)));
      });
    }
    for (const [index, { says, spec, name, of }] of corpus.bad.entries()) {
      it(`refuses ${index}: ${says}${of === undefined ? "" : ` (${of})`}`, () =>
        assertSays(parse(manifestOf(kind, name ?? "a", spec)), says));
    }
    for (const [index, { says, from, to }] of corpus.changes.entries()) {
      it(`${says === undefined ? "allows" : "refuses"} change ${index}: ${says ?? "mutable fields"}`, () => {
        const result = parse(manifestOf(kind, "a", to), valueOf(parse(manifestOf(kind, "a", from))));
        if (says === undefined) valueOf(result);
        else assertSays(result, says);
      });
    }
  });
}

/** Too long for a page of the corpus. */
describe("inline code without an API server", () => {
  for (const { kind, shows, says, spec } of inlineCode) {
    it(`${says === undefined ? "takes" : "refuses"} ${shows}`, () => {
      const parse = corpusKinds.find((each) => each.kind === kind)!.parse;
      const result = parse(manifestOf(kind, "a", spec));
      if (says === undefined) valueOf(result);
      else assertSays(result, says);
    });
  }
});

function valueOf(result: ParseResult<unknown>): unknown {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function assertSays(result: ParseResult<unknown>, says: string): void {
  assert.ok(!result.ok, "it was taken");
  assert.ok(result.error.includes(says), result.error);
}
