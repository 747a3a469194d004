/** Kind Function: one Lambda function, its `$LATEST`. Ranges and defaults: Lambda API reference, CreateFunction. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { rule, immutable, withRules } from "../rule.ts";
import { codeSchema } from "./code.ts";
import { conditionsSchema } from "./condition.ts";
import { environmentSchema } from "./environment.ts";
import { functionEventInvokeConfigSchema, functionURLConfigSchema } from "./invoke-config.ts";
import { lambdaNameSchema } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";
import { podTemplateSchema } from "./pod-template.ts";
import { nameReferenceSchema } from "./reference.ts";

const imageConfigSchema = z
  .object({
    entryPoint: z.array(z.string().max(4096)).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    command: z.array(z.string().max(4096)).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    workingDirectory: z.string().max(1000).optional(),
  })
  .describe("What replaces the image's ENTRYPOINT, CMD and WORKDIR");

const loggingConfigSchema = withRules(
  z.object({
    logFormat: z.enum(["Text", "JSON"]).default("Text"),
    applicationLogLevel: z.enum(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]).optional(),
    systemLogLevel: z.enum(["DEBUG", "INFO", "WARN"]).optional(),
    logGroup: z
      .string()
      .min(1)
      .max(512)
      .regex(/^[.\-_/#A-Za-z0-9]+$/)
      .optional(),
  }),
  [
    rule(
      "self.logFormat == 'JSON' || (!has(self.applicationLogLevel) && !has(self.systemLogLevel))",
      (value) =>
        value.logFormat === "JSON" || (value.applicationLogLevel === undefined && value.systemLogLevel === undefined),
      "log levels need logFormat JSON",
    ),
  ],
);

const fileSystemConfigSchema = z.object({
  arn: z.string().max(200).optional().describe("As AWS has it; has no meaning here"),
  persistentVolumeClaim: nameReferenceSchema.optional().describe("What is mounted in a cluster"),
  localMountPath: z
    .string()
    .max(160)
    .regex(/^\/mnt\/[a-zA-Z0-9\-_.]+$/),
});

const awsOnlyShape = {
  role: z.string().max(2048).optional().describe("IAM role as AWS has it; here permissions are the ServiceAccount's"),
  roleRef: z.object({ from: nameReferenceSchema.optional() }).optional().describe("As ACK has it; see role"),
  vpcConfig: z
    .object({
      subnetIDs: z.array(z.string().max(1024)).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
      subnetRefs: z
        .array(z.object({ from: nameReferenceSchema.optional() }))
        .max(16)
        .meta({ "x-kubernetes-list-type": "atomic" })
        .optional(),
      securityGroupIDs: z.array(z.string().max(1024)).max(5).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
      securityGroupRefs: z
        .array(z.object({ from: nameReferenceSchema.optional() }))
        .max(5)
        .meta({ "x-kubernetes-list-type": "atomic" })
        .optional(),
    })
    .optional()
    .describe("As AWS has it; here the network is the pod's, limited by NetworkPolicies"),
  kmsKeyARN: z.string().max(2048).optional().describe("As AWS has it; here encryption at rest is the cluster's"),
  kmsKeyRef: z.object({ from: nameReferenceSchema.optional() }).optional().describe("As ACK has it; see kmsKeyARN"),
  snapStart: z
    .object({ applyOn: z.enum(["PublishedVersions", "None"]).default("None") })
    .optional()
    .describe("Accepted; environments start without snapshots"),
  codeSigningConfigARN: z.string().max(200).optional().describe("As AWS has it; here digests are what is checked"),
};

const clusterShape = {
  serviceAccountName: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .describe("ServiceAccount whose token the function gets; none: no token"),
  podTemplate: podTemplateSchema.optional(),
  idleTimeoutSeconds: z
    .int()
    .min(1)
    .max(86400)
    .optional()
    .describe("Keep-alive of an idle environment, s; default: the chart's"),
  revisionHistoryLimit: z.int().min(0).max(100).default(10).describe("Published versions kept that nothing points to"),
};

const specShape = z.object({
  name: lambdaNameSchema.optional().describe("Lambda's name of the function; default: metadata.name"),
  runtime: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("Runtime identifier, e.g. nodejs24.x; needed for packageType Zip"),
  handler: z
    .string()
    .min(1)
    .max(128)
    .regex(/^\S+$/)
    .optional()
    .describe("What the runtime calls; needed for packageType Zip"),
  packageType: z.enum(["Zip", "Image"]).default("Zip"),
  code: codeSchema,
  layers: z
    .array(z.string().min(1).max(2048))
    .max(5)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe('"name", "name:3" or the ARN of a layer version, merged in this order: later ones win'),
  environment: environmentSchema.optional(),
  memorySize: z.int().min(128).max(10240).default(128).describe("MB"),
  timeout: z.int().min(1).max(900).default(3).describe("Longest run of one invocation, s"),
  ephemeralStorage: z
    .object({ size: z.int().min(512).max(10240).default(512).describe("MB") })
    .default({ size: 512 })
    .describe("/tmp"),
  architectures: z
    .array(z.enum(["x86_64", "arm64"]))
    .min(1)
    .max(1)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .default(["x86_64"]),
  imageConfig: imageConfigSchema.optional(),
  reservedConcurrentExecutions: z.int().min(0).max(1000000).optional().describe("0 turns the function off"),
  functionEventInvokeConfig: functionEventInvokeConfigSchema.optional(),
  deadLetterConfig: z
    .object({ targetARN: z.string().max(2048).optional() })
    .optional()
    .describe("Where events go that could not be processed"),
  functionURLConfig: functionURLConfigSchema.optional(),
  loggingConfig: loggingConfigSchema.optional(),
  tracingConfig: z.object({ mode: z.enum(["Active", "PassThrough"]).default("PassThrough") }).optional(),
  fileSystemConfigs: z.array(fileSystemConfigSchema).max(1).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
  description: z.string().max(256).optional(),
  tags: z.record(z.string(), z.string().max(256)).meta({ maxProperties: 50 }).optional(),
  publish: z.boolean().default(false).describe("Publish a version on every effective change"),
  autoPublishAlias: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[a-zA-Z0-9\-_]+$/)
    .optional()
    .describe("Alias that follows the newest version"),
  ...clusterShape,
  ...awsOnlyShape,
});

export const functionSpecSchema = withRules(specShape, [
  rule(
    "self.packageType != 'Zip' || has(self.runtime)",
    ({ packageType, runtime }) => packageType !== "Zip" || runtime !== undefined,
    "runtime is needed for packageType Zip",
  ),
  rule(
    "self.packageType != 'Zip' || has(self.handler)",
    ({ packageType, handler }) => packageType !== "Zip" || handler !== undefined,
    "handler is needed for packageType Zip",
  ),
  rule(
    "(self.packageType == 'Image') == has(self.code.imageURI)",
    ({ packageType, code }) => (packageType === "Image") === (code.imageURI !== undefined),
    "code.imageURI and packageType Image go together",
  ),
  rule(
    "self.packageType != 'Image' || !has(self.layers) || size(self.layers) == 0",
    ({ packageType, layers }) => packageType !== "Image" || (layers ?? []).length === 0,
    "layers cannot be attached to packageType Image: copy their content into /opt of the image",
  ),
  rule(
    "self.packageType == 'Image' || !has(self.imageConfig)",
    ({ packageType, imageConfig }) => packageType === "Image" || imageConfig === undefined,
    "imageConfig needs packageType Image",
  ),
  immutable("name"),
  {
    cel: "self.packageType == oldSelf.packageType",
    message: "packageType is immutable: delete the object and make it again",
  },
]);
export type FunctionSpec = z.output<typeof functionSpecSchema>;
export type FunctionSpecInput = z.input<typeof functionSpecSchema>;

export const functionStatusSchema = z.object({
  state: z.enum(["Pending", "Active", "Inactive", "Failed"]).optional(),
  stateReason: z.string().max(4096).optional(),
  stateReasonCode: z.string().max(128).optional(),
  lastUpdateStatus: z.enum(["Successful", "InProgress", "Failed"]).optional(),
  lastUpdateStatusReason: z.string().max(4096).optional(),
  lastUpdateStatusReasonCode: z.string().max(128).optional(),
  codeSHA256: z.string().max(64).optional().describe("Base64, as AWS shows it"),
  codeDigest: z.string().max(80).optional().describe("sha256:<hex> of the package that environments run"),
  codeSize: z.int().min(0).optional().describe("Zipped, bytes"),
  revisionID: z.string().max(64).optional().describe("Changes exactly when environments must be replaced"),
  version: z.string().max(32).optional(),
  layers: z
    .array(z.object({ name: z.string().max(2048), version: z.int().min(1), digest: z.string().max(80) }))
    .max(5)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional(),
  functionURL: z.string().max(2048).optional(),
  functionARN: z.string().max(256).optional(),
  readyEnvironments: z.int().min(0).optional(),
  environments: z.int().min(0).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type FunctionStatus = z.infer<typeof functionStatusSchema>;

export type FunctionObject = CustomObject<FunctionSpec, FunctionStatus>;

export const functionKind = {
  apiVersion: API_VERSION,
  kind: "Function",
  plural: "functions",
  namespaced: true,
} as const;

/** Checks a Function as the API server would, and fills in defaults. */
export function parseFunction(object: unknown): ParseResult<FunctionObject> {
  return parseObject<typeof functionSpecSchema, FunctionStatus>({ ...functionKind, spec: functionSpecSchema }, object);
}
