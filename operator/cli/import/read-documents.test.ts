import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { readDocuments } from "./read-documents.ts";

const cases: Record<string, { readonly text: string; readonly want: readonly unknown[] }> = {
  JSON: { text: '{"a": 1}', want: [{ a: 1 }] },
  "several, as a loop over the AWS CLI writes them": {
    text: '{\n  "a": {\n  }\n}\n{\n  "b": 2\n}\n[\n  3\n]\n',
    want: [{ a: {} }, { b: 2 }, [3]],
  },
  "one a line": { text: '{"a":1}\n{"b":2}\n', want: [{ a: 1 }, { b: 2 }] },
  "YAML in flow style": { text: "{ a: [b, c] }", want: [{ a: ["b", "c"] }] },
  "several YAML documents, empty ones left out": { text: "a: 1\n---\n---\nb: 2\n", want: [{ a: 1 }, { b: 2 }] },
  "the items of a List": { text: "kind: List\nitems: [{ a: 1 }, { b: 2 }]", want: [{ a: 1 }, { b: 2 }] },
  anchors: { text: "a: &x { b: 1 }\nc: *x", want: [{ a: { b: 1 }, c: { b: 1 } }] },
  "short forms of functions": {
    text: "a: !Ref x\nb: !GetAtt q.Arn.z\nc: !Sub ['${d}', { d: !Ref y }]\ne: !If [F, 1, !Ref AWS::NoValue]",
    want: [
      {
        a: { Ref: "x" },
        b: { "Fn::GetAtt": ["q", "Arn.z"] },
        c: { "Fn::Sub": ["${d}", { d: { Ref: "y" } }] },
        e: { "Fn::If": ["F", 1, { Ref: "AWS::NoValue" }] },
      },
    ],
  },
  nothing: { text: " \n", want: [] },
};
const bomb = ["a: &a0 [x,x]", ...Array.from({ length: 30 }, (_, n) => `b${n}: &a${n + 1} [*a${n},*a${n}]`)].join("\n");
const broken: Record<string, { readonly text: string; readonly says: RegExp }> = {
  "half a document": { text: '{"a":', says: /no JSON|Flow map/ },
  "YAML that is none": { text: "a: b: c", says: /Nested mappings|mapping/ },
  "aliases that multiply": { text: bomb, says: /more than 2000000 values/ },
  "what is nested too deep": { text: "[".repeat(300) + "]".repeat(300) + " # no JSON", says: /deeper than 100/ },
};

describe("reading documents", () => {
  for (const [name, { text, want }] of Object.entries(cases)) {
    it(`takes ${name}`, () => {
      assert.deepEqual(readDocuments(text), { ok: true, documents: want });
    });
  }
  for (const [name, { text, says }] of Object.entries(broken)) {
    it(`refuses ${name}`, () => {
      const read = readDocuments(text);
      assert.match(read.ok ? "" : read.error, says);
    });
  }
});
