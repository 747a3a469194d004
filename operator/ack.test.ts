/** What the operator says of ACK's fields that have another meaning here, or none, is what docs/moving-in.md says. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { parseAlias } from "../crds/v1alpha1/alias.ts";
import { parseFunction } from "../crds/v1alpha1/function.ts";
import { parseVersion } from "../crds/v1alpha1/version.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import { ackManifests, convert, documentedFields } from "../test/kit/ack-corpus.ts";
import { decideConditions as aliasConditions } from "./controllers/alias/conditions.ts";
import { fieldsIgnored, findUnservedField } from "./controllers/function/served-fields.ts";
import { decideConditions as versionConditions } from "./controllers/version/conditions.ts";

const now = "2026-01-01T00:00:00Z";
const unfound = { reason: "FunctionNotFound", message: "" } as const;

/** What the object's conditions say: names of fields stand in it as `spec.name` or `code.name`. */
const messages: Readonly<Record<string, (object: unknown) => string>> = {
  Function(object) {
    const parsed = parseFunction(object);
    assert.ok(parsed.ok);
    const { spec } = parsed.value;
    return `${fieldsIgnored(spec).message}; ${findUnservedField(spec)?.message ?? ""}`;
  },
  Version(object) {
    const parsed = parseVersion(object);
    assert.ok(parsed.ok);
    const stored = parsed.value as Stored<typeof parsed.value>;
    const progress = { ...unfound, type: "underWay" } as const;
    return ignoredOf(versionConditions({ object: stored, progress, health: undefined, now }));
  },
  Alias(object) {
    const parsed = parseAlias(object);
    assert.ok(parsed.ok);
    const stored = parsed.value as Stored<typeof parsed.value>;
    return ignoredOf(aliasConditions({ object: stored, progress: { ...unfound, type: "waiting" }, now }));
  },
};

function ignoredOf(conditions: readonly { readonly type: string; readonly message: string }[]): string {
  return conditions.find(({ type }) => type === "FieldsIgnored")?.message ?? "";
}

describe("what is said of ACK's fields", () => {
  const documented = [...documentedFields()].filter(([, meaning]) => !meaning.startsWith("refused"));
  const isDocumented = (field: string): boolean =>
    documented.some(([each]) => each === field || each.startsWith(`${field}.`));

  for (const manifest of ackManifests.filter(({ kind }) => messages[kind] !== undefined)) {
    const { kind, metadata, spec } = manifest;
    for (const field of Object.keys(spec)) {
      it(`${kind}.${field} of "${metadata.name}"`, () => {
        const { [field]: _left, ...others } = spec;
        const say = messages[kind]!;
        const isNeeded = ["code", "runtime", "handler", "functionName", "functionRef", "packageType"].includes(field);
        const text = say(convert(manifest));
        const without = isNeeded ? "" : say(convert({ ...manifest, spec: others }));
        const isTold = field === "code" ? text.includes("code.s3BucketRef") : !isNeeded && text !== without;
        const wanted = field === "code" ? "s3BucketRef" in (spec["code"] as object) : isDocumented(`${kind}.${field}`);
        assert.equal(isTold, wanted, text);
      });
    }
  }
});
