/** Kind Alias: a name for one or two versions of a function. Rules: Lambda API reference, CreateAlias. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, rule, withRules } from "../rule.ts";
import { conditionsSchema } from "./condition.ts";
import {
  functionEventInvokeConfigSchema,
  functionURLConfigSchema,
  provisionedConcurrencyConfigSchema,
  provisionedStatusShape,
} from "./invoke-config.ts";
import { lambdaNameSchema } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";

const weightsSchema = withRules(
  z
    .record(z.string(), z.number().min(0).max(1))
    .meta({ maxProperties: 1 })
    .refine((weights) => Object.keys(weights).length <= 1, {
      message: "Number of items in AdditionalVersionWeights cannot be greater than 1",
    }),
  [
    rule(
      "self.all(version, version.matches('^[0-9]{1,19}$'))",
      (weights) => Object.keys(weights).every((version) => /^[0-9]{1,19}$/.test(version)),
      "an additional version is a number: $LATEST and names are not",
    ),
  ],
);

export const aliasSpecSchema = withRules(
  z.object({
    name: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[a-zA-Z0-9\-_]+$/)
      .optional()
      .describe("Alias name; default: metadata.name"),
    functionName: lambdaNameSchema.describe("Lambda name of the function"),
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
    description: z.string().max(256).optional(),
  }),
  [
    immutable("name"),
    immutable("functionName"),
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

export const aliasStatusSchema = z.object({
  functionVersion: z.string().max(32).optional().describe("The version that the alias resolves to"),
  routingConfig: z
    .object({
      additionalVersionWeights: z.record(z.string(), z.number().min(0).max(1)).meta({ maxProperties: 1 }).optional(),
    })
    .optional(),
  aliasARN: z.string().max(400).optional(),
  functionURL: z.string().max(2048).optional(),
  ...provisionedStatusShape,
  conditions: conditionsSchema.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type AliasStatus = z.infer<typeof aliasStatusSchema>;
export type AliasObject = CustomObject<AliasSpec, AliasStatus>;

export const aliasKind = { apiVersion: API_VERSION, kind: "Alias", plural: "aliases", namespaced: true } as const;

export function parseAlias(object: unknown): ParseResult<AliasObject> {
  return parseObject<typeof aliasSpecSchema, AliasStatus>({ ...aliasKind, spec: aliasSpecSchema }, object);
}
