import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { z } from "zod";
import { toStructural } from "./openapi.ts";
import { rule, withRules } from "./rule.ts";
import { mapOf, setOf } from "./v1alpha1/collections.ts";
import { text } from "./v1alpha1/text.ts";

const bounded = z.string().max(5);
const refused: Record<string, { schema: z.ZodType; says: RegExp }> = {
  "a union": {
    schema: z.object({ a: z.union([bounded, z.int()]) }),
    says: /spec\.a structural: it has no single type/,
  },
  "a union of objects": {
    schema: z.object({
      a: z.discriminatedUnion("t", [z.object({ t: z.literal("x") }), z.object({ t: z.literal("y") })]),
    }),
    says: /spec\.a structural/,
  },
  "null beside a type": { schema: z.object({ a: z.nullable(bounded) }), says: /spec\.a structural: "nullable"/ },
  "a strict object": { schema: z.object({ a: z.strictObject({}) }), says: /spec\.a structural: z\.object prunes/ },
  "a string without a bound": { schema: z.object({ a: z.string() }), says: /spec\.a: it has no maxLength/ },
  "a list without a bound": {
    schema: z.object({ a: z.array(bounded).meta({ "x-kubernetes-list-type": "atomic" }) }),
    says: /spec\.a: it has no maxItems/,
  },
  "a list that does not say how it merges": {
    schema: z.object({ a: z.array(bounded).max(2) }),
    says: /spec\.a: it has no x-kubernetes-list-type/,
  },
  "a map without a bound": {
    schema: z.object({ a: z.record(z.string(), bounded) }),
    says: /spec\.a: it has no maxProp/,
  },
  "a look-ahead": {
    schema: z.object({
      a: z
        .string()
        .max(5)
        .regex(/^(?!a)/),
    }),
    says: /spec\.a: its pattern looks around/,
  },
  "a look-behind": {
    schema: z.object({
      a: z
        .string()
        .max(5)
        .regex(/(?<=a)b/),
    }),
    says: /spec\.a: its pattern looks/,
  },
  "a back reference": {
    schema: z.object({
      a: z
        .string()
        .max(5)
        .regex(/^(a)\1$/),
    }),
    says: /spec\.a: its pattern looks/,
  },
  "a transform": {
    schema: z.object({ a: bounded.transform(Number).pipe(z.custom()) }),
    says: /spec structural: it has a transform/,
  },
  "what is wrong below lists and maps": {
    schema: z.object({ a: mapOf(z.object({ b: z.string() }), 3) }),
    says: /spec\.a\.\*\.b: it has no maxLength/,
  },
};

describe("toStructural", () => {
  for (const [what, { schema, says }] of Object.entries(refused)) {
    it(`refuses ${what}`, () => assert.throws(() => toStructural(schema), says));
  }
  it("keeps types, bounds, defaults, descriptions, list types and rules", () => {
    const schema = withRules(
      z.object({
        a: text(5, 1).describe("A"),
        b: z.int().min(0).default(3),
        c: setOf(z.enum(["x", "y"]), 2).optional(),
        d: z.looseObject({}).optional(),
      }),
      [rule("self.b < 9", ({ b }) => b < 9, "b is small")],
    );
    assert.deepEqual(toStructural(schema), {
      type: "object",
      required: ["a"],
      properties: {
        a: { type: "string", minLength: 1, maxLength: 5, description: "A" },
        b: { type: "integer", format: "int64", minimum: 0, default: 3 },
        c: {
          type: "array",
          maxItems: 2,
          items: { type: "string", enum: ["x", "y"] },
          "x-kubernetes-list-type": "set",
        },
        d: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
      "x-kubernetes-validations": [{ rule: "self.b < 9", message: "b is small" }],
    });
  });
});
