/** What Function and Alias share about how they are invoked. Ranges: Lambda API reference. */
import { z } from "zod";
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

export const provisionedConcurrencyConfigSchema = z
  .object({
    provisionedConcurrentExecutions: z.int().min(0).max(1000000).describe("Environments kept ready; 0: none"),
    ...ownerShape,
  })
  .describe("A floor of initialised environments");

/** What a status says of it. */
export const provisionedStatusShape = {
  provisionedRequested: z.int().min(0).optional(),
  provisionedAllocated: z.int().min(0).optional(),
  provisionedAvailable: z.int().min(0).optional(),
  provisionedStatus: z.enum(["IN_PROGRESS", "READY", "FAILED"]).optional(),
  provisionedStatusReason: text(4096).optional(),
};
