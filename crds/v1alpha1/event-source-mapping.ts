/** Kind EventSourceMapping: a broker polled for a function. Ranges per source: Lambda API reference and developer guide. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { immutable, rule, withRules } from "../rule.ts";
import { conditionsSchema } from "./condition.ts";
import type { CustomObject } from "./object-meta.ts";
import { nameReferenceSchema } from "./reference.ts";

const atomic = { "x-kubernetes-list-type": "atomic" } as const;

export const eventSourceTypes = [
  "SQS",
  "Kinesis",
  "DynamoDBStreams",
  "Kafka",
  "RabbitMQ",
  "ActiveMQ",
  "DocumentDB",
  "NATSJetStream",
  "RedisStreams",
  "Cron",
] as const;

const eventSourceSchema = withRules(
  z.object({
    type: z.enum(eventSourceTypes),
    endpoint: z.string().max(2048).optional().describe("URL of the broker or of an AWS-compatible service"),
    name: z.string().max(1024).optional().describe("Queue, stream, table, subject or key in it"),
    schedule: z.string().max(256).optional().describe("Cron expression, for type Cron"),
    timeZone: z.string().max(64).optional(),
    secretRef: nameReferenceSchema.optional().describe("Credentials"),
  }),
  [
    rule(
      "(self.type == 'Cron') == has(self.schedule)",
      ({ type, schedule }) => (type === "Cron") === (schedule !== undefined),
      "schedule and type Cron go together",
    ),
  ],
);

const streams = ["Kinesis", "DynamoDBStreams"];

/** Kind of source as a CEL expression and as a predicate: by eventSource.type, else by the ARN's service. */
const isSQS = {
  cel: "((has(self.eventSource) && self.eventSource.type == 'SQS') || (has(self.eventSourceARN) && self.eventSourceARN.contains(':sqs:')))",
  predicate: (spec: Source): boolean =>
    spec.eventSource?.type === "SQS" || spec.eventSourceARN?.includes(":sqs:") === true,
};
const isStream = {
  cel: "((has(self.eventSource) && self.eventSource.type in ['Kinesis', 'DynamoDBStreams']) || (has(self.eventSourceARN) && (self.eventSourceARN.contains(':kinesis:') || self.eventSourceARN.contains(':dynamodb:'))))",
  predicate: (spec: Source): boolean =>
    streams.includes(spec.eventSource?.type ?? "") || /:(kinesis|dynamodb):/.test(spec.eventSourceARN ?? ""),
};
interface Source {
  readonly eventSource?: { readonly type: string } | undefined;
  readonly eventSourceARN?: string | undefined;
}

const streamOnly = ["parallelizationFactor", "tumblingWindowInSeconds"] as const;

export const eventSourceMappingSpecSchema = withRules(
  z.object({
    functionName: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[a-zA-Z0-9\-_.:$]+$/)
      .describe("name, name:qualifier or an ARN"),
    eventSourceARN: z.string().min(1).max(1024).regex(/^arn:/).optional(),
    eventSource: eventSourceSchema.optional().describe("A source without an ARN"),
    enabled: z.boolean().default(true),
    batchSize: z.int().min(1).max(10000).optional().describe("Default: 10 for SQS, else 100"),
    maximumBatchingWindowInSeconds: z.int().min(0).max(300).optional(),
    startingPosition: z.enum(["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]).optional(),
    startingPositionTimestamp: z.string().meta({ format: "date-time" }).optional(),
    parallelizationFactor: z.int().min(1).max(10).optional(),
    maximumRetryAttempts: z.int().min(-1).max(10000).optional(),
    maximumRecordAgeInSeconds: z.int().min(-1).max(604800).optional(),
    bisectBatchOnFunctionError: z.boolean().optional(),
    tumblingWindowInSeconds: z.int().min(0).max(900).optional(),
    functionResponseTypes: z
      .array(z.enum(["ReportBatchItemFailures"]))
      .max(1)
      .meta(atomic)
      .optional(),
    filterCriteria: z
      .object({
        filters: z
          .array(z.object({ pattern: z.string().max(4096).optional() }))
          .max(10)
          .meta(atomic)
          .optional(),
      })
      .optional(),
    destinationConfig: z
      .object({ onFailure: z.object({ destination: z.string().max(350).optional() }).optional() })
      .optional(),
    scalingConfig: z.object({ maximumConcurrency: z.int().min(2).max(1000).optional() }).optional(),
    provisionedPollerConfig: z
      .object({
        minimumPollers: z.int().min(1).max(200).optional(),
        maximumPollers: z.int().min(1).max(2000).optional(),
        pollerGroupName: z.string().max(128).optional(),
      })
      .optional(),
    topics: z
      .array(
        z
          .string()
          .min(1)
          .max(249)
          .regex(/^[^.]([a-zA-Z0-9\-_.]+)$/),
      )
      .max(1)
      .meta(atomic)
      .optional(),
    queues: z.array(z.string().min(1).max(1000)).max(1).meta(atomic).optional(),
    sourceAccessConfigurations: z
      .array(
        z.object({
          type: z.enum([
            "BASIC_AUTH",
            "VPC_SUBNET",
            "VPC_SECURITY_GROUP",
            "SASL_SCRAM_512_AUTH",
            "SASL_SCRAM_256_AUTH",
            "VIRTUAL_HOST",
            "CLIENT_CERTIFICATE_TLS_AUTH",
            "SERVER_ROOT_CA_CERTIFICATE",
          ]),
          uRI: z.string().max(200).optional().describe("As AWS has it"),
          secretRef: nameReferenceSchema.optional(),
        }),
      )
      .max(23)
      .meta(atomic)
      .optional(),
    selfManagedEventSource: z
      .object({
        endpoints: z
          .record(z.string(), z.array(z.string().min(1).max(300)).max(10).meta(atomic))
          .meta({ maxProperties: 2 })
          .optional(),
      })
      .optional(),
    selfManagedKafkaEventSourceConfig: z.object({ consumerGroupID: z.string().max(200).optional() }).optional(),
    amazonManagedKafkaEventSourceConfig: z.object({ consumerGroupID: z.string().max(200).optional() }).optional(),
    documentDBEventSourceConfig: z
      .object({
        databaseName: z.string().min(1).max(63).optional(),
        collectionName: z.string().min(1).max(57).optional(),
        fullDocument: z.enum(["Default", "UpdateLookup"]).optional(),
      })
      .optional(),
    metricsConfig: z
      .object({
        metrics: z
          .array(z.enum(["EventCount", "ErrorCount", "KafkaMetrics"]))
          .max(3)
          .meta(atomic)
          .optional(),
      })
      .optional(),
    tags: z.record(z.string(), z.string().max(256)).meta({ maxProperties: 50 }).optional(),
  }),
  [
    rule(
      "[has(self.eventSourceARN), has(self.eventSource), has(self.selfManagedEventSource)].filter(x, x).size() == 1",
      (spec) =>
        [spec.eventSourceARN, spec.eventSource, spec.selfManagedEventSource].filter((source) => source !== undefined)
          .length === 1,
      "exactly one source is needed: eventSourceARN, eventSource, selfManagedEventSource",
    ),
    {
      cel: "has(self.eventSourceARN) == has(oldSelf.eventSourceARN) && (!has(self.eventSourceARN) || self.eventSourceARN == oldSelf.eventSourceARN)",
      message: "eventSourceARN is immutable: delete the object and make it again",
    },
    rule(
      "!has(self.startingPositionTimestamp) || (has(self.startingPosition) && self.startingPosition == 'AT_TIMESTAMP')",
      (spec) => spec.startingPositionTimestamp === undefined || spec.startingPosition === "AT_TIMESTAMP",
      "startingPositionTimestamp needs startingPosition AT_TIMESTAMP",
    ),
    rule(
      "!has(self.startingPosition) || self.startingPosition != 'AT_TIMESTAMP' || has(self.startingPositionTimestamp)",
      (spec) => spec.startingPosition !== "AT_TIMESTAMP" || spec.startingPositionTimestamp !== undefined,
      "startingPosition AT_TIMESTAMP needs startingPositionTimestamp",
    ),
    rule(
      `!${isStream.cel} || has(self.startingPosition)`,
      (spec) => !isStream.predicate(spec) || spec.startingPosition !== undefined,
      "startingPosition is needed for Kinesis and DynamoDB streams",
    ),
    rule(
      `!${isSQS.cel} || !has(self.startingPosition)`,
      (spec) => !isSQS.predicate(spec) || spec.startingPosition === undefined,
      "startingPosition does not apply to SQS",
    ),
    rule(
      `!${isSQS.cel} || !has(self.batchSize) || self.batchSize <= 10 || (has(self.maximumBatchingWindowInSeconds) && self.maximumBatchingWindowInSeconds >= 1)`,
      (spec) =>
        !isSQS.predicate(spec) || (spec.batchSize ?? 0) <= 10 || (spec.maximumBatchingWindowInSeconds ?? 0) >= 1,
      "batchSize over 10 needs maximumBatchingWindowInSeconds of at least 1 for SQS",
    ),
    rule(
      "!has(self.scalingConfig) || " + isSQS.cel,
      (spec) => spec.scalingConfig === undefined || isSQS.predicate(spec),
      "scalingConfig applies to SQS only",
    ),
    ...streamOnly.map((field) =>
      rule<Source & Partial<Record<(typeof streamOnly)[number], number | undefined>>>(
        `!has(self.${field}) || ${isStream.cel}`,
        (spec) => spec[field] === undefined || isStream.predicate(spec),
        `${field} applies to Kinesis and DynamoDB streams only`,
      ),
    ),
    rule(
      "!has(self.maximumRecordAgeInSeconds) || self.maximumRecordAgeInSeconds == -1 || self.maximumRecordAgeInSeconds >= 60",
      ({ maximumRecordAgeInSeconds: age }) => age === undefined || age === -1 || age >= 60,
      "maximumRecordAgeInSeconds is -1 or 60 to 604800",
    ),
    immutable("startingPosition"),
  ],
);
export type EventSourceMappingSpec = z.output<typeof eventSourceMappingSpecSchema>;

export const eventSourceMappingStatusSchema = z.object({
  state: z.enum(["Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating", "Deleting"]).optional(),
  stateTransitionReason: z.string().max(4096).optional(),
  lastProcessingResult: z.string().max(4096).optional(),
  lag: z.int().min(0).optional().describe("Records that wait"),
  uuid: z.string().max(64).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: z.int().min(0).optional(),
});
export type EventSourceMappingStatus = z.infer<typeof eventSourceMappingStatusSchema>;
export type EventSourceMappingObject = CustomObject<EventSourceMappingSpec, EventSourceMappingStatus>;

export const eventSourceMappingKind = {
  apiVersion: API_VERSION,
  kind: "EventSourceMapping",
  plural: "eventsourcemappings",
  namespaced: true,
} as const;

export function parseEventSourceMapping(object: unknown): ParseResult<EventSourceMappingObject> {
  return parseObject<typeof eventSourceMappingSpecSchema, EventSourceMappingStatus>(
    { ...eventSourceMappingKind, spec: eventSourceMappingSpecSchema },
    object,
  );
}
