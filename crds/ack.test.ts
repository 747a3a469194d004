/** Manifests of the ACK lambda-controller become ours by another apiVersion. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ackFields, ackManifests, convert, convertedKinds, documentedFields, pathsOf } from "../test/kit/ack-corpus.ts";
import { corpusKinds } from "../test/kit/crd-corpus.ts";
import { kindDefinitions } from "./kinds.ts";
import { toStructural, type OpenApi } from "./openapi.ts";

/** The node at `a.b[].<name>`. */
function nodeAt(root: OpenApi, path: string): OpenApi | undefined {
  const steps = path.replaceAll("[]", ".[]").split(".");
  return steps.reduce<OpenApi | undefined>((node, step) => {
    if (step === "[]") return node?.items;
    if (step === "<name>") return node?.additionalProperties;
    return node?.properties?.[step];
  }, root);
}

describe("manifests of the ACK lambda-controller", () => {
  for (const kind of convertedKinds) {
    const fields = ackFields[kind] ?? {};
    const definition = kindDefinitions.find((each) => each.kind === kind)!;

    it(`${kind} has every field of ACK's, with its name, nesting and type`, () => {
      const ours = toStructural(definition.spec);
      const types = Object.keys(fields).map((path) => [path, nodeAt(ours, path)?.type]);
      assert.deepEqual(Object.fromEntries(types), fields);
    });

    it(`${kind}: the manifests have every field of ACK's but those that docs/moving-in.md says are refused`, () => {
      const manifests = ackManifests.filter((manifest) => manifest.kind === kind);
      const known = new Set(Object.keys(fields));
      const set = new Set(manifests.flatMap(({ spec }) => pathsOf(spec, known)));
      const refused = [...documentedFields()].filter(([, meaning]) => meaning.startsWith("refused"));
      const isRefused = (path: string): boolean =>
        refused.some(([field]) => `${kind}.${path}` === field || `${kind}.${path}`.startsWith(`${field}.`));
      assert.deepEqual(
        [...known].filter((path) => !set.has(path) && !isRefused(path)),
        [],
      );
      assert.deepEqual(
        [...set].filter((path) => !known.has(path)),
        [],
      );
    });
  }

  for (const manifest of ackManifests) {
    it(`${manifest.kind} "${manifest.metadata.name}" converts by apiVersion alone`, () => {
      const parse = corpusKinds.find(({ kind }) => kind === manifest.kind)!.parse;
      const result = parse(convert(manifest));
      assert.ok(result.ok, JSON.stringify(result));
      assert.ok(!parse(manifest).ok);
    });
  }

  it("docs/moving-in.md speaks of fields that ACK has", () => {
    for (const field of documentedFields().keys()) {
      const [kind = "", ...path] = field.split(".");
      const paths = Object.keys(ackFields[kind] ?? {});
      assert.ok(
        paths.some(
          (each) =>
            each === path.join(".") || each.startsWith(`${path.join(".")}.`) || each.startsWith(`${path.join(".")}[`),
        ),
        field,
      );
    }
  });
});
