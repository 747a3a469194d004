/** Kind Version: a published snapshot of a function, by number. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, withRules } from "../rule.ts";
import { conditionsSchema, observedGenerationSchema } from "./condition.ts";
import {
  functionEventInvokeConfigSchema,
  provisionedConcurrencyConfigSchema,
  provisionedStatusShape,
} from "./invoke-config.ts";
import { functionReferenceRules, functionReferenceShape } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";
import { dateTime, text } from "./text.ts";

export const versionSpecSchema = withRules(
  z.object({
    ...functionReferenceShape,
    version: z.int().min(1).max(9007199254740991).optional().describe("Claims this number; default: the next"),
    description: text(256).optional(),
    codeSHA256: text(64).optional().describe("Waits until $LATEST has this code; base64"),
    provisionedConcurrencyConfig: provisionedConcurrencyConfigSchema.optional(),
    functionEventInvokeConfig: functionEventInvokeConfigSchema.optional(),
    revisionID: text(128).optional().describe("As ACK has it; codeSHA256 is what holds here"),
  }),
  [
    ...functionReferenceRules,
    ...["functionName", "functionRef", "version", "description", "codeSHA256"].map(immutable),
  ],
);
export type VersionSpec = z.output<typeof versionSpecSchema>;

export const versionStatusSchema = z.object({
  version: z.int().min(1).optional(),
  snapshot: text(253).optional().describe("Name of the ControllerRevision that holds it"),
  codeSHA256: text(64).optional(),
  codeDigest: text(80).optional(),
  codeSize: z.int().min(0).optional().describe("Zipped, bytes"),
  functionARN: text(256).optional(),
  functionName: text(64).optional(),
  description: text(256).optional(),
  createdDate: dateTime().optional().describe("When it was published"),
  runtime: text(128).optional(),
  runtimeImage: text(1200).optional().describe("Image of the runtime, by digest; it stays whatever the chart names"),
  handler: text(128).optional(),
  memorySize: z.int().min(0).optional().describe("MB"),
  timeout: z.int().min(0).optional().describe("s"),
  role: text(2048).optional(),
  serviceAccountName: text(253).optional(),
  deadLetterTargetARN: text(2048).optional(),
  revisionID: text(64).optional().describe("Of its environments; changes exactly when they must be replaced"),
  ...provisionedStatusShape,
  conditions: conditionsSchema.optional(),
  observedGeneration: observedGenerationSchema.optional(),
});
export type VersionStatus = z.infer<typeof versionStatusSchema>;
export type VersionObject = CustomObject<VersionSpec, VersionStatus>;

export const versionKind = { apiVersion: API_VERSION, kind: "Version", plural: "versions", namespaced: true } as const;

/** Checks a Version as the API server would, and fills in defaults; with `old` also that it may become this. */
export function parseVersion(object: unknown, old?: VersionObject): ParseResult<VersionObject> {
  return parseObject<typeof versionSpecSchema, VersionStatus>(
    { ...versionKind, spec: versionSpecSchema, rules: [] },
    object,
    old,
  );
}
