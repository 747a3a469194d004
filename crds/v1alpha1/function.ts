/** Kind Function: one Lambda function, its `$LATEST`. Ranges and defaults: Lambda API reference, CreateFunction. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { rule, immutable, withRules } from "../rule.ts";
import { codeSchema } from "./code.ts";
import { conditionsSchema, observedGenerationSchema } from "./condition.ts";
import { environmentSchema } from "./environment.ts";
import { functionEventInvokeConfigSchema, functionURLConfigSchema, grantedConcurrencySchema } from "./invoke-config.ts";
import { aliasNameSchema, lambdaNameSchema, objectNameRule } from "./lambda-name.ts";
import type { CustomObject } from "./object-meta.ts";
import { podTemplateSchema } from "./pod-template.ts";
import { ackReferenceSchema, nameReferenceSchema } from "./reference.ts";
import { sourceReadSchema } from "./source-read.ts";
import { isLonger, text } from "./text.ts";
import { mapOf } from "./collections.ts";

const imageConfigSchema = z
  .object({
    entryPoint: z.array(text(4096)).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    command: z.array(text(4096)).max(64).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    workingDirectory: text(1000).optional(),
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
  arn: text(200).optional().describe("As AWS has it; has no meaning here"),
  persistentVolumeClaim: nameReferenceSchema
    .optional()
    .describe("What is mounted: a claim of the namespace; needed, for arn alone mounts nothing"),
  localMountPath: z
    .string()
    .max(160)
    .regex(/^\/mnt\/[a-zA-Z0-9\-_.]+$/),
});

const awsOnlyShape = {
  role: text(2048).optional().describe("IAM role as AWS has it; here permissions are the ServiceAccount's"),
  roleRef: ackReferenceSchema.optional().describe("As ACK has it; see role"),
  vpcConfig: z
    .object({
      subnetIDs: z.array(text(1024)).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
      subnetRefs: z.array(ackReferenceSchema).max(16).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
      securityGroupIDs: z.array(text(1024)).max(5).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
      securityGroupRefs: z.array(ackReferenceSchema).max(5).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    })
    .optional()
    .describe("As AWS has it; here the network is the pod's, limited by NetworkPolicies"),
  kmsKeyARN: text(2048).optional().describe("As AWS has it; here encryption at rest is the cluster's"),
  kmsKeyRef: ackReferenceSchema.optional().describe("As ACK has it; see kmsKeyARN"),
  snapStart: z
    .object({ applyOn: z.enum(["PublishedVersions", "None"]).default("None") })
    .optional()
    .describe("Accepted; environments start without snapshots"),
  codeSigningConfigARN: text(200).optional().describe("As AWS has it; here digests are what is checked"),
  codeSigningConfigRef: ackReferenceSchema.optional().describe("As ACK has it; see codeSigningConfigARN"),
  durableConfig: z
    .object({
      executionTimeout: z.int().min(1).max(31622400).optional(),
      retentionPeriodInDays: z.int().min(1).max(90).optional(),
    })
    .optional()
    .describe("Accepted; durable executions are not served"),
  tenancyConfig: z
    .object({ tenantIsolationMode: z.enum(["PER_TENANT"]).optional() })
    .optional()
    .describe("Isolation per tenant is not served: a function that asks for it does not run"),
};

const clusterShape = {
  serviceAccountName: text(253, 1).optional().describe("ServiceAccount whose token the function gets; none: no token"),
  podTemplate: podTemplateSchema.optional(),
  idleTimeoutSeconds: z
    .int()
    .min(1)
    .max(86400)
    .optional()
    .describe("Keep-alive of an idle environment, s; default: the chart's"),
  maxAgeSeconds: z
    .int()
    .min(60)
    .max(604800)
    .optional()
    .describe("An environment that is older is replaced, without a call noticing, s; default: the chart's"),
  revisionHistoryLimit: z.int().min(0).max(100).default(10).describe("Published versions kept that nothing points to"),
};

const specShape = z.object({
  name: lambdaNameSchema.optional().describe("Lambda's name of the function; default: metadata.name"),
  runtime: text(128, 1).optional().describe("Runtime identifier, e.g. nodejs24.x; needed for packageType Zip"),
  handler: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[^ \t\n\v\f\r]+$/)
    .optional()
    .describe("What the runtime calls; needed for packageType Zip"),
  packageType: z.enum(["Zip", "Image"]).default("Zip"),
  code: codeSchema,
  layers: z
    .array(
      z
        .string()
        .max(2048)
        .regex(
          /^(arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[a-zA-Z0-9\-_]+:[0-9]+|[a-zA-Z0-9\-_]+(:[0-9]+)?)$/,
        ),
    )
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
    .object({ targetARN: text(2048).optional() })
    .optional()
    .describe("Where events go that could not be processed"),
  functionURLConfig: functionURLConfigSchema.optional(),
  recursiveLoop: z
    .enum(["Allow", "Terminate"])
    .optional()
    .describe("What becomes of a chain of calls that comes back to this function for the 17th time; default Terminate"),
  loggingConfig: loggingConfigSchema.optional(),
  tracingConfig: z.object({ mode: z.enum(["Active", "PassThrough"]).default("PassThrough") }).optional(),
  fileSystemConfigs: z.array(fileSystemConfigSchema).max(1).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
  description: text(256).optional(),
  tags: mapOf(text(256), 50).optional(),
  publish: z.boolean().default(false).describe("Publish a version on every effective change"),
  autoPublishAlias: aliasNameSchema.optional().describe("Alias that follows the newest version"),
  ...clusterShape,
  ...awsOnlyShape,
});

/** CEL: a layer reference without its version. */
function layerName(variable: string): string {
  return `(${variable}.matches(':[0-9]+$') ? ${variable}.substring(0, ${variable}.lastIndexOf(':')) : ${variable})`;
}

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
    `!has(self.layers) || self.layers.all(a, self.layers.exists_one(b, ${layerName("a")} == ${layerName("b")}))`,
    ({ layers = [] }) => new Set(layers.map((layer) => layer.replace(/:[0-9]+$/, ""))).size === layers.length,
    "Two different versions of the same layer are not allowed to be referenced in the same function",
  ),
  rule(
    "!has(self.tags) || self.tags.all(key, size(key) >= 1 && size(key) <= 128)",
    ({ tags }) => Object.keys(tags ?? {}).every((key) => key !== "" && !isLonger(key, 128)),
    "keys of tags have 1 to 128 characters",
  ),
  rule(
    "!has(self.autoPublishAlias) || !self.autoPublishAlias.matches('^[0-9]+$')",
    ({ autoPublishAlias }) => autoPublishAlias === undefined || !/^[0-9]+$/.test(autoPublishAlias),
    "autoPublishAlias cannot be a number: that names a version",
  ),
  rule(
    "self.packageType == 'Image' || !has(self.imageConfig)",
    ({ packageType, imageConfig }) => packageType === "Image" || imageConfig === undefined,
    "imageConfig needs packageType Image",
  ),
  immutable("name"),
  immutable("packageType"),
]);
export type FunctionSpec = z.output<typeof functionSpecSchema>;
export type FunctionSpecInput = z.input<typeof functionSpecSchema>;

export const functionRules = [
  objectNameRule(
    /^[a-z0-9-]{1,64}$/,
    "spec.name is needed: metadata.name is no Lambda name, for it has a dot or is longer than 64",
  ),
];

export const functionStatusSchema = z.object({
  state: z.enum(["Pending", "Active", "Inactive", "Failed"]).optional(),
  stateReason: text(4096).optional(),
  stateReasonCode: text(128).optional(),
  lastUpdateStatus: z.enum(["Successful", "InProgress", "Failed"]).optional(),
  lastUpdateStatusReason: text(4096).optional(),
  lastUpdateStatusReasonCode: text(128).optional(),
  codeSHA256: text(64).optional().describe("Base64, as AWS shows it"),
  codeDigest: text(80).optional().describe("sha256:<hex> of the package that environments run"),
  source: sourceReadSchema.optional(),
  resolvedImageURI: text(1200).optional().describe("Image by digest that environments run"),
  codeSize: z.int().min(0).optional().describe("Zipped, bytes"),
  revisionID: text(64).optional().describe("Changes exactly when environments must be replaced"),
  configurationID: text(64)
    .optional()
    .describe("Stays when only the installation's part of an environment changes, e.g. its runtime's image"),
  runtimeImage: text(1200).optional().describe("Image of the runtime that environments run; of packageType Zip"),
  version: text(32).optional(),
  layers: z
    .array(z.object({ name: text(2048), version: z.int().min(1), digest: text(80) }))
    .max(5)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional(),
  functionURL: text(2048).optional(),
  functionARN: text(256).optional(),
  concurrency: grantedConcurrencySchema.optional(),
  readyEnvironments: z.int().min(0).optional(),
  environments: z.int().min(0).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: observedGenerationSchema.optional(),
});
export type FunctionStatus = z.infer<typeof functionStatusSchema>;

export type FunctionObject = CustomObject<FunctionSpec, FunctionStatus>;

export const functionKind = {
  apiVersion: API_VERSION,
  kind: "Function",
  plural: "functions",
  namespaced: true,
} as const;

/** Checks a Function as the API server would, and fills in defaults; with `old` also that it may become this. */
export function parseFunction(object: unknown, old?: FunctionObject): ParseResult<FunctionObject> {
  return parseObject<typeof functionSpecSchema, FunctionStatus>(
    { ...functionKind, spec: functionSpecSchema, rules: functionRules },
    object,
    old,
  );
}
