import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseByKind, readCorpus } from "../test/kit/crd-corpus.ts";

describe("schemas without an API server", () => {
  for (const entry of readCorpus("good")) {
    it(`take a ${entry.kind} with ${entry.shows ?? ""}`, () =>
      assert.deepEqual(parseByKind(entry), { ok: true, value: (parseByKind(entry) as { value: unknown }).value }));
  }
  for (const [index, entry] of readCorpus("bad").entries()) {
    it(`refuse ${entry.kind} ${index}: ${entry.says ?? ""}`, () => {
      const result = parseByKind(entry);
      assert.equal(result.ok, false);
      assert.ok(!result.ok && result.error.includes(entry.says ?? "nothing"), JSON.stringify(result));
    });
  }
});
