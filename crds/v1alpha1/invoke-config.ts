/** What Function and Alias share about how they are invoked. Ranges: Lambda API reference. */
import { z } from "zod";
import { rule, withRules } from "../rule.ts";
import { text } from "./text.ts";

/** What ACK repeats in these objects: the function and the version or alias that they stand in. */
const ownerShape = {
  functionName: text(256).optional().describe("As ACK has it; always the function that it stands in"),
  qualifier: text(128).optional().describe("As ACK has it; always the version or alias that it stands in"),
};

export const destinationSchema = z.object({ destination: text(350).optional() });

export const functionEventInvokeConfigSchema = z
  .object({
    ...ownerShape,
    maximumEventAgeInSeconds: z.int().min(60).max(21600).optional().describe("Default 21600"),
    maximumRetryAttempts: z.int().min(0).max(2).optional().describe("Default 2"),
    destinationConfig: z
      .object({ onSuccess: destinationSchema.optional(), onFailure: destinationSchema.optional() })
      .optional(),
  })
  .describe("Asynchronous invocation");

const corsList = (longest: number) =>
  z.array(text(longest, 1)).max(100).meta({ "x-kubernetes-list-type": "atomic" }).optional();

/** Source: Lambda API model, Cors. */
const corsSchema = z
  .object({
    allowCredentials: z.boolean().default(false),
    allowHeaders: corsList(1024),
    allowMethods: z
      .array(z.enum(["*", "GET", "PUT", "HEAD", "POST", "PATCH", "DELETE"]))
      .max(6)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional(),
    allowOrigins: corsList(253),
    exposeHeaders: corsList(1024),
    maxAge: z.int().min(0).max(86400).default(0).describe("s"),
  })
  .describe("Answers preflight requests in the function's place, and replaces its CORS headers");
export type Cors = z.output<typeof corsSchema>;

export const functionURLConfigSchema = z
  .object({
    authType: z.enum(["NONE", "AWS_IAM"]),
    invokeMode: z.enum(["BUFFERED", "RESPONSE_STREAM"]).default("BUFFERED"),
    cors: corsSchema.optional(),
  })
  .describe("An HTTP endpoint of its own");
export type FunctionURLConfig = z.output<typeof functionURLConfigSchema>;

export const provisionedConcurrencyConfigSchema = withRules(
  z.object({
    provisionedConcurrentExecutions: z.int().min(0).max(1000000).describe("Environments kept ready, 1 at least"),
    ...ownerShape,
  }),
  [
    rule(
      "self.provisionedConcurrentExecutions >= 1",
      ({ provisionedConcurrentExecutions }) => provisionedConcurrentExecutions >= 1,
      "Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
  ],
).describe("A floor of initialised environments");

/** What a status says of it. Source: Lambda API model, GetProvisionedConcurrencyConfig. */
export const provisionedStatusShape = {
  provisionedRequested: z.int().min(0).optional().describe("Environments that are asked for"),
  provisionedAllocated: z.int().min(0).optional().describe("Environments that calls may use: 0 until all are ready"),
  provisionedAvailable: z.int().min(0).optional().describe("Of these, the ones that are there now"),
  provisionedStatus: z.enum(["IN_PROGRESS", "READY", "FAILED"]).optional(),
  provisionedStatusReason: text(4096).optional(),
};
export type ProvisionedStatus = {
  readonly [K in keyof typeof provisionedStatusShape]?: z.infer<(typeof provisionedStatusShape)[K]>;
};

/** A part of what one Alias or Version wants kept ready: the environments of one version. */
const provisionedShareSchema = z.object({
  qualifier: text(128).describe(
    "Name of the Alias, or number of the Version, whose provisionedConcurrencyConfig it is",
  ),
  functionVersion: text(32),
  requested: z.int().min(0).describe("Environments that shall be kept; 0: they go when the others are ready"),
  allocated: z.int().min(0).describe("Taken out of the limits"),
  available: z.int().min(0).describe("Calls may use so many"),
  failure: text(128).optional().describe("Why it does not come up, in Lambda's words"),
});
export type ProvisionedShare = z.infer<typeof provisionedShareSchema>;

/** Of a Function's status: what its account grants it. Routers go by this, and not by what specs ask for. */
export const grantedConcurrencySchema = z
  .object({
    reservedConcurrentExecutions: z.int().min(0).optional(),
    provisioned: z.array(provisionedShareSchema).max(1000).meta({ "x-kubernetes-list-type": "atomic" }).optional(),
    refused: z
      .array(z.object({ qualifier: text(128), message: text(1024) }))
      .max(1000)
      .meta({ "x-kubernetes-list-type": "atomic" })
      .optional()
      .describe("Configurations of provisioned concurrency that are not in force, and why"),
  })
  .describe("Concurrency that the account grants: absent until the operator has looked");
export type GrantedConcurrency = z.infer<typeof grantedConcurrencySchema>;
