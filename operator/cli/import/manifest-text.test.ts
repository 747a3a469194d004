import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { manifestText } from "./manifest-text.ts";

const traps = [
  "yes",
  "NO",
  "0o17",
  "017",
  "1e3",
  "1_000",
  "0x1F",
  "2026-01-01",
  "null",
  "~",
  "-",
  ".inf",
  ".NaN",
  "1:30",
  "=",
  "<<",
];

describe("a manifest as YAML", () => {
  it("reads the same by YAML 1.1 and 1.2, whatever its texts look like", () => {
    const odd = fc.constantFrom(
      "a",
      " ",
      "\n",
      "\r",
      "\t",
      "\u007f",
      "\u0085",
      "\u2028",
      "\ufeff",
      "#",
      ":",
      "'",
      '"',
      "\\",
      "-",
      "🦀",
    );
    const oddText = fc.array(odd, { maxLength: 8 }).map((parts) => parts.join(""));
    const anyText = fc.oneof(fc.constantFrom(...traps), oddText, fc.string({ unit: "binary", maxLength: 12 }));
    const value = fc.oneof(anyText, fc.integer(), fc.boolean(), fc.array(anyText, { maxLength: 2 }));
    const spec = fc.dictionary(anyText, value, { maxKeys: 3 });
    fc.assert(
      fc.property(spec, fc.array(anyText, { maxLength: 2 }), anyText, (values, notes, origin) => {
        const manifest = { apiVersion: "v", kind: "K", metadata: { name: "n" }, spec: { variables: values } };
        const text = manifestText({ manifest, origin, notes });
        assert.doesNotMatch(text, /[\u007f-\u009f\u2028\u2029\ufeff]/);
        for (const version of ["1.1", "1.2"] as const) {
          assert.deepEqual(parse(text, { version, merge: false }), JSON.parse(JSON.stringify(manifest)));
        }
      }),
      { numRuns: 80 },
    );
  });

  it("has what it comes from and its notes before it, a line each", () => {
    const manifest = { apiVersion: "v", kind: "K", metadata: { name: "n" }, spec: {} };
    const text = manifestText({ manifest, origin: "an ARN", notes: ["one\nnote", "another"] });
    assert.deepEqual(text.split("\n").slice(0, 4), ["# from an ARN", "# - one note", "# - another", ""]);
  });
});
