/** A function's variables. Source: developer guide, configuration-envvars. */
import { z } from "zod";
import { credentialVariables, reservedVariables } from "../reserved-variables.ts";
import { rule, withRules } from "../rule.ts";
import { keyReferenceSchema } from "./reference.ts";
import { text } from "./text.ts";
import { mapOf } from "./collections.ts";

const credentialNames: readonly string[] = credentialVariables;
/** `valueFrom` may set credentials. */
const platformNames: readonly string[] = reservedVariables.filter((name) => !credentialNames.includes(name));

const limitBytes = 4096;
const keyPattern = "^[a-zA-Z][a-zA-Z0-9_]+$";
const keyExpression = new RegExp(keyPattern);

/** Rules about the keys of a map of variables, of which some are taken. */
function keyRules<V>(reserved: readonly string[], instead: string) {
  const list = `[${reserved.map((name) => `'${name}'`).join(", ")}]`;
  return [
    rule<Readonly<Record<string, V>>>(
      `self.all(name, name.matches('${keyPattern}'))`,
      (variables) => Object.keys(variables).every((name) => keyExpression.test(name)),
      "names of variables have at least two characters, begin with a letter, and have letters, digits and _ only",
    ),
    rule<Readonly<Record<string, V>>>(
      `!self.exists(name, name in ${list})`,
      (variables) => !Object.keys(variables).some((name) => reserved.includes(name)),
      `these names are reserved keys that are currently not supported for modification: ${reserved.join(", ")}${instead}`,
    ),
  ];
}

/** Bytes of the map as compact JSON, as both forms of the rule count it: of escapes, only those of quotes, backslashes and line feeds. */
function measured(variables: Readonly<Record<string, string>>): number {
  const entries = Object.entries(variables).map(
    ([name, value]) => bytes(name) + bytes(value.replace(/["\\\n]/g, "\\$&")) + 6,
  );
  return entries.reduce((sum, length) => sum + length, 1);
}

function bytes(value: string): number {
  return new TextEncoder().encode(value).length;
}

const escapedValue = ["\\\\", '"', "\\n"].reduce(
  (value, character) => `${value}.replace('${character}', '..')`,
  "self[name]",
);

const variablesSchema = withRules(mapOf(text(limitBytes), 256), [
  ...keyRules<string>(reservedVariables, "; credentials come by valueFrom"),
  rule(
    `size(self) == 0 || self.map(name, size(bytes(name)) + size(bytes(${escapedValue})) + 6).sum() + 1 <= ${limitBytes}`,
    (variables) => Object.keys(variables).length === 0 || measured(variables) <= limitBytes,
    "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit",
  ),
]);

const sourceSchema = withRules(
  z.object({ secretKeyRef: keyReferenceSchema.optional(), configMapKeyRef: keyReferenceSchema.optional() }),
  [
    rule(
      "has(self.secretKeyRef) != has(self.configMapKeyRef)",
      ({ secretKeyRef, configMapKeyRef }) => (secretKeyRef === undefined) !== (configMapKeyRef === undefined),
      "exactly one of secretKeyRef and configMapKeyRef is needed",
    ),
  ],
);

export const environmentSchema = withRules(
  z.object({
    variables: variablesSchema.optional().describe("Literal: nothing in a value is expanded; 4 KB together"),
    valueFrom: withRules(mapOf(sourceSchema, 64), keyRules(platformNames, ""))
      .optional()
      .describe("Variable → key of a Secret or ConfigMap, read by the kubelet when an environment starts"),
  }),
  [
    rule(
      "!has(self.variables) || !has(self.valueFrom) || !self.valueFrom.exists(name, name in self.variables)",
      ({ variables, valueFrom }) => !Object.keys(valueFrom ?? {}).some((name) => name in (variables ?? {})),
      "a variable stands in variables or in valueFrom, not in both",
    ),
  ],
);
export type Environment = z.output<typeof environmentSchema>;
