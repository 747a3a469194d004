/** Kind Alias: a name for one or two versions of a function. Rules: Lambda API reference, CreateAlias. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, rule, withRules } from "../rule.ts";
import { conditionsSchema, observedGenerationSchema } from "./condition.ts";
import {
  functionEventInvokeConfigSchema,
  functionURLConfigSchema,
  provisionedConcurrencyConfigSchema,
  provisionedStatusShape,
} from "./invoke-config.ts";
import { aliasNameSchema, functionReferenceRules, functionReferenceShape, objectNameRule } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";
import { text } from "./text.ts";
import { mapOf } from "./collections.ts";

const weightsSchema = withRules(mapOf(z.number().min(0).max(1), 1), [
  rule(
    "self.all(version, version.matches('^[0-9]{1,19}$'))",
    (weights) => Object.keys(weights).every((version) => /^[0-9]{1,19}$/.test(version)),
    "an additional version is a number: $LATEST and names are not",
  ),
]);

const permissionSchema = z.object({
  action: text(256).optional(),
  eventSourceToken: text(256).optional(),
  functionURLAuthType: text(16).optional(),
  principal: text(256).optional(),
  principalOrgID: text(34).optional(),
  revisionID: text(128).optional(),
  sourceARN: text(512).optional(),
  sourceAccount: text(12).optional(),
  statementID: text(100).optional(),
});

export const aliasSpecSchema = withRules(
  z.object({
    name: aliasNameSchema.optional().describe("Alias name; default: metadata.name"),
    ...functionReferenceShape,
    functionVersion: z
      .string()
      .min(1)
      .max(253)
      .regex(/^(\$LATEST|[a-zA-Z0-9][a-zA-Z0-9.-]*)$/)
      .optional()
      .describe("A number, the name of a Version object, or $LATEST; absent: the newest version"),
    routingConfig: z
      .object({ additionalVersionWeights: weightsSchema.optional() })
      .optional()
      .describe("Version → share of the calls, 0 to 1"),
    provisionedConcurrencyConfig: provisionedConcurrencyConfigSchema.optional(),
    functionURLConfig: functionURLConfigSchema.optional(),
    functionEventInvokeConfig: functionEventInvokeConfigSchema.optional(),
    permissions: z
      .array(permissionSchema)
      .max(100)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("As ACK has it; here RBAC says who may invoke"),
    description: text(256).optional(),
  }),
  [
    immutable("name"),
    immutable("functionName"),
    immutable("functionRef"),
    ...functionReferenceRules,
    rule(
      "!has(self.name) || !self.name.matches('^[0-9]+$')",
      ({ name }) => name === undefined || !/^[0-9]+$/.test(name),
      "name cannot be a number: that names a version",
    ),
    rule(
      "!has(self.functionVersion) || self.functionVersion != '$LATEST' || !has(self.routingConfig) || !has(self.routingConfig.additionalVersionWeights) || size(self.routingConfig.additionalVersionWeights) == 0",
      ({ functionVersion, routingConfig }) =>
        functionVersion !== "$LATEST" || Object.keys(routingConfig?.additionalVersionWeights ?? {}).length === 0,
      "$LATEST is not supported for an alias pointing to more than 1 version",
    ),
    rule(
      "!has(self.functionVersion) || !has(self.routingConfig) || !has(self.routingConfig.additionalVersionWeights) || !(self.functionVersion in self.routingConfig.additionalVersionWeights)",
      ({ functionVersion, routingConfig }) =>
        functionVersion === undefined || !(functionVersion in (routingConfig?.additionalVersionWeights ?? {})),
      "functionVersion is already included in routing configuration",
    ),
    rule(
      "!has(self.functionVersion) || self.functionVersion != '$LATEST' || !has(self.provisionedConcurrencyConfig)",
      ({ functionVersion, provisionedConcurrencyConfig }) =>
        functionVersion !== "$LATEST" || provisionedConcurrencyConfig === undefined,
      "Provisioned Concurrency Configs cannot be applied to unpublished function versions",
    ),
  ],
);
export type AliasSpec = z.output<typeof aliasSpecSchema>;

export const aliasRules = [
  objectNameRule(
    /^[a-z0-9-]*[a-z-][a-z0-9-]*$/,
    "spec.name is needed: metadata.name is no alias name, for it has a dot or is a number",
  ),
];

export const aliasStatusSchema = z.object({
  functionVersion: text(32).optional().describe("The version that the alias resolves to"),
  routingConfig: z
    .object({
      additionalVersionWeights: mapOf(z.number().min(0).max(1), 1).optional(),
    })
    .optional(),
  aliasARN: text(400).optional(),
  name: text(128).optional(),
  functionName: text(64).optional(),
  functionURL: text(2048).optional(),
  ...provisionedStatusShape,
  provisionedSelector: text(512).optional().describe("Selects the pods that are kept ready, for autoscalers"),
  conditions: conditionsSchema.optional(),
  observedGeneration: observedGenerationSchema.optional(),
});
export type AliasStatus = z.infer<typeof aliasStatusSchema>;
export type AliasObject = CustomObject<AliasSpec, AliasStatus>;

export const aliasKind = { apiVersion: API_VERSION, kind: "Alias", plural: "aliases", namespaced: true } as const;

/** Checks an Alias as the API server would, and fills in defaults; with `old` also that it may become this. */
export function parseAlias(object: unknown, old?: AliasObject): ParseResult<AliasObject> {
  return parseObject<typeof aliasSpecSchema, AliasStatus>(
    { ...aliasKind, spec: aliasSpecSchema, rules: aliasRules },
    object,
    old,
  );
}
