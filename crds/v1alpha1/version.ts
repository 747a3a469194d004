/** Kind Version: a published snapshot of a function, by number. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, withRules } from "../rule.ts";
import { conditionsSchema } from "./condition.ts";
import { provisionedConcurrencyConfigSchema, provisionedStatusShape } from "./invoke-config.ts";
import { lambdaNameSchema } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";

export const versionSpecSchema = withRules(
  z.object({
    functionName: lambdaNameSchema.describe("Lambda name of the function"),
    version: z.int().min(1).max(9007199254740991).optional().describe("Claims this number; default: the next"),
    description: z.string().max(256).optional(),
    codeSHA256: z.string().max(64).optional().describe("Waits until $LATEST has this code; base64"),
    provisionedConcurrencyConfig: provisionedConcurrencyConfigSchema.optional(),
  }),
  [immutable("functionName"), immutable("version"), immutable("description"), immutable("codeSHA256")],
);
export type VersionSpec = z.output<typeof versionSpecSchema>;

export const versionStatusSchema = z.object({
  version: z.int().min(1).optional(),
  snapshot: z.string().max(253).optional().describe("Name of the ControllerRevision that holds it"),
  codeSHA256: z.string().max(64).optional(),
  codeDigest: z.string().max(80).optional(),
  functionARN: z.string().max(256).optional(),
  ...provisionedStatusShape,
  conditions: conditionsSchema.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type VersionStatus = z.infer<typeof versionStatusSchema>;
export type VersionObject = CustomObject<VersionSpec, VersionStatus>;

export const versionKind = { apiVersion: API_VERSION, kind: "Version", plural: "versions", namespaced: true } as const;

export function parseVersion(object: unknown): ParseResult<VersionObject> {
  return parseObject<typeof versionSpecSchema, VersionStatus>({ ...versionKind, spec: versionSpecSchema }, object);
}
