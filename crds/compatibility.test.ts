import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "mocha";
import { parse } from "yaml";
import { breakingChanges, type Definition } from "./compatibility.ts";
import { kindDefinitions } from "./kinds.ts";
import { toCustomResourceDefinition, type OpenApi } from "./openapi.ts";

const name: OpenApi = { type: "string", maxLength: 10, minLength: 1 };
const cases: Record<string, { before: OpenApi; after: OpenApi; breaks: readonly string[] }> = {
  "a field may be added": { before: object({ name }), after: object({ name, more: name }), breaks: [] },
  "a field may not go": { before: object({ name }), after: object({}), breaks: ["v1.name: removed"] },
  "a field may not go from items of a list": {
    before: list(object({ name })),
    after: list(object({})),
    breaks: ["v1[].name: removed"],
  },
  "a field may not go from values of a map": {
    before: map(object({ name })),
    after: map(object({})),
    breaks: ["v1.*.name: removed"],
  },
  "a map may not become an object": {
    before: map(name),
    after: object({}),
    breaks: ["v1.*: removed"],
  },
  "a type may not change": {
    before: object({ name }),
    after: object({ name: { type: "integer" } }),
    breaks: ['v1.name: type changed from "string" to "integer"'],
  },
  "a field may not become required": {
    before: object({ name }),
    after: { ...object({ name }), required: ["name"] },
    breaks: ["v1.name: became required"],
  },
  "a field with a default may become required": {
    before: object({ name }),
    after: { ...object({ name: { ...name, default: "a" } }), required: ["name"] },
    breaks: [],
  },
  "a required field may become optional": {
    before: { ...object({ name }), required: ["name"] },
    after: object({ name }),
    breaks: [],
  },
  "a range may widen": { before: name, after: { ...name, maxLength: 11, minLength: 0 }, breaks: [] },
  "a bound may go": { before: name, after: { type: "string" }, breaks: [] },
  "a range may not narrow at its ends": {
    before: { type: "integer", minimum: 1, maximum: 9 },
    after: { type: "integer", minimum: 2, maximum: 8 },
    breaks: ["v1: minimum changed from 1 to 2", "v1: maximum changed from 9 to 8"],
  },
  "a bound may not be new": {
    before: { type: "string" },
    after: { type: "string", maxLength: 5 },
    breaks: ["v1: maxLength changed from none to 5"],
  },
  "an enum value may be added": {
    before: { type: "string", enum: ["a"] },
    after: { type: "string", enum: ["a", "b"] },
    breaks: [],
  },
  "an enum value may not go": {
    before: { type: "string", enum: ["a", "b"] },
    after: { type: "string", enum: ["a"] },
    breaks: ['v1: enum value "b" removed'],
  },
  "an enum may not be new": { before: name, after: { ...name, enum: ["a"] }, breaks: ["v1: enum added"] },
  "an enum may go": { before: { type: "string", enum: ["a"] }, after: { type: "string" }, breaks: [] },
  "a pattern may not change": {
    before: { type: "string", pattern: "^a$" },
    after: { type: "string", pattern: "^b$" },
    breaks: ['v1: pattern changed from "^a$" to "^b$"'],
  },
  "a pattern may go": { before: { type: "string", pattern: "^a$" }, after: { type: "string" }, breaks: [] },
  "a way to merge may not change": {
    before: { ...list(name), "x-kubernetes-list-type": "set" },
    after: { ...list(name), "x-kubernetes-list-type": "atomic" },
    breaks: ['v1: x-kubernetes-list-type changed from "set" to "atomic"'],
  },
  "a rule may go": { before: ruled("self.a"), after: object({}), breaks: [] },
  "a rule may not be new": {
    before: object({}),
    after: ruled("self.a"),
    breaks: ['v1: new rule does not spare stored objects, compare with oldSelf: "a"'],
  },
  "a rule may be new when it is about a new field": {
    before: object({ name }),
    after: { ...object({ name, more: name }), ...rules("!has(self.more) || self.name == 'a'") },
    breaks: [],
  },
  "a rule may not be new when it is about a field that was there": {
    before: object({ name }),
    after: { ...object({ name }), ...rules("!has(self.name) || self.name == 'a'") },
    breaks: ['v1: new rule does not spare stored objects, compare with oldSelf: "a"'],
  },
  "a rule may be new when it is about changes": { before: object({}), after: ruled("self == oldSelf"), breaks: [] },
  "a rule may refuse fewer keys, and no other ones": {
    before: { type: "object", "x-kubernetes-validations": [refuses("'A', 'B'")] },
    after: { type: "object", "x-kubernetes-validations": [refuses("'B'"), refuses("'B', 'C'")] },
    breaks: ["v1: new rule does not spare stored objects, compare with oldSelf: \"not 'B', 'C'\""],
  },
  "unknown fields may not be dropped": {
    before: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    after: object({ name }),
    breaks: ["v1: unknown fields are no longer kept"],
  },
};

describe("breakingChanges", () => {
  for (const [sentence, { before, after, breaks }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(breakingChanges(definition(before), definition(after)), breaks));
  }
  it("a version may not go, nor a subresource, nor the name or scope change", () => {
    const before = definition(object({}));
    assert.deepEqual(breakingChanges(before, { spec: { ...before.spec, versions: [] } }), ["v1: no longer served"]);
    const [version] = before.spec.versions;
    const bare = { ...before.spec, scope: "Cluster", names: { kind: "B", plural: "as" } };
    assert.deepEqual(breakingChanges(before, { spec: { ...bare, versions: [{ ...version!, subresources: {} }] } }), [
      'scope changed from "Namespaced" to "Cluster"',
      'names.kind changed from "A" to "B"',
      "v1: subresource status removed",
    ]);
  });
});

describe("kinds since the last release", () => {
  for (const kind of kindDefinitions) {
    it(`${kind.kind} reads and writes what is stored`, function () {
      const baseline = new URL(`baseline/${kind.plural}.yaml`, import.meta.url);
      assert.ok(existsSync(baseline), `no baseline of ${kind.kind}: node crds/generate.ts --baseline`);
      const before = parse(readFileSync(baseline, "utf8")) as Definition;
      assert.deepEqual(breakingChanges(before, toCustomResourceDefinition(kind) as Definition), []);
    });
  }
});

function definition(schema: OpenApi): Definition {
  const version = { name: "v1", served: true, subresources: { status: {} }, schema: { openAPIV3Schema: schema } };
  return { spec: { group: "g", scope: "Namespaced", names: { kind: "A", plural: "as" }, versions: [version] } };
}

function refuses(keys: string): { rule: string; message: string } {
  return { rule: `!self.exists(name, name in [${keys}])`, message: `not ${keys}` };
}

function object(properties: Readonly<Record<string, OpenApi>>): OpenApi {
  return { type: "object", properties };
}

function list(items: OpenApi): OpenApi {
  return { type: "array", items };
}

function map(additionalProperties: OpenApi): OpenApi {
  return { type: "object", additionalProperties };
}

function rules(rule: string): OpenApi {
  return { "x-kubernetes-validations": [{ rule, message: "a" }] };
}

function ruled(rule: string): OpenApi {
  return { type: "object", ...rules(rule) };
}
