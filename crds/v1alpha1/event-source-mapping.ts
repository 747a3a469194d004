/** Kind EventSourceMapping: a broker polled for a function. Ranges per source: Lambda API reference and developer guide. */
import { z } from "zod";
import { API_VERSION } from "../names.ts";
import { parseObject, type ParseResult } from "../parse.ts";
import { rule, withRules } from "../rule.ts";
import { eventSourceMappingRules } from "./event-source-rules.ts";
import { conditionsSchema, observedGenerationSchema } from "./condition.ts";
import type { CustomObject } from "./object-meta.ts";
import { destinationSchema } from "./invoke-config.ts";
import { functionReferenceRules } from "./lambda-name.ts";
import { ackReferenceSchema, nameReferenceSchema } from "./reference.ts";
import { dateTime, text } from "./text.ts";
import { mapOf } from "./collections.ts";

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
    endpoint: text(2048).optional().describe("URL of the broker or of an AWS-compatible service"),
    name: text(1024).optional().describe("Queue, stream, table, subject or key in it"),
    schedule: text(256).optional().describe("Cron expression, for type Cron"),
    timeZone: text(64).optional(),
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

const accessTypeSchema = z.enum([
  "BASIC_AUTH",
  "VPC_SUBNET",
  "VPC_SECURITY_GROUP",
  "SASL_SCRAM_512_AUTH",
  "SASL_SCRAM_256_AUTH",
  "VIRTUAL_HOST",
  "CLIENT_CERTIFICATE_TLS_AUTH",
  "SERVER_ROOT_CA_CERTIFICATE",
]);

const sourceAccessSchema = withRules(
  z.object({
    type: accessTypeSchema.optional(),
    type_: accessTypeSchema.optional().describe("type, as ACK spells it"),
    uRI: text(200).optional().describe("As AWS has it"),
    secretRef: nameReferenceSchema.optional(),
  }),
  [
    rule(
      "has(self.type) != has(self.type_)",
      (access) => (access.type === undefined) !== (access.type_ === undefined),
      "type is needed",
    ),
  ],
);

const schemaRegistryShape = {
  consumerGroupID: text(200).optional(),
  schemaRegistryConfig: z
    .object({
      schemaRegistryURI: text(10000).optional(),
      eventRecordFormat: z.enum(["JSON", "SOURCE"]).optional(),
      accessConfigs: z
        .array(
          z.object({
            type: z.enum(["BASIC_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH", "SERVER_ROOT_CA_CERTIFICATE"]).optional(),
            uri: text(10000).optional(),
            uriRef: ackReferenceSchema.optional(),
            secretRef: nameReferenceSchema.optional(),
          }),
        )
        .max(3)
        .meta(atomic)
        .optional(),
      schemaValidationConfigs: z
        .array(z.object({ attribute: z.enum(["KEY", "VALUE"]).optional() }))
        .max(2)
        .meta(atomic)
        .optional(),
    })
    .optional(),
};

export const eventSourceMappingSpecSchema = withRules(
  z.object({
    functionName: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[a-zA-Z0-9\-_.:$]+$/)
      .optional()
      .describe("name, name:qualifier or an ARN"),
    functionRef: ackReferenceSchema.optional().describe("The Function object, in place of functionName"),
    eventSourceARN: z.string().min(1).max(1024).regex(/^arn:/).optional(),
    eventSourceRef: ackReferenceSchema.optional().describe("As ACK has it; give eventSourceARN or eventSource"),
    eventSource: eventSourceSchema.optional().describe("A source without an ARN"),
    enabled: z.boolean().default(true),
    batchSize: z.int().min(1).max(10000).optional().describe("Default: 10 for SQS, else 100"),
    maximumBatchingWindowInSeconds: z.int().min(0).max(300).optional(),
    startingPosition: z.enum(["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]).optional(),
    startingPositionTimestamp: dateTime().optional(),
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
          .array(z.object({ pattern: text(4096).optional() }))
          .max(10)
          .meta(atomic)
          .optional(),
      })
      .optional(),
    destinationConfig: z
      .object({ onSuccess: destinationSchema.optional(), onFailure: destinationSchema.optional() })
      .optional(),
    scalingConfig: z.object({ maximumConcurrency: z.int().min(2).max(1000).optional() }).optional(),
    provisionedPollerConfig: z
      .object({
        minimumPollers: z.int().min(1).max(200).optional(),
        maximumPollers: z.int().min(1).max(10000).optional(),
        pollerGroupName: text(128).optional(),
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
      .min(1)
      .max(1)
      .meta(atomic)
      .optional(),
    queues: z.array(text(1000, 1)).min(1).max(1).meta(atomic).optional(),
    queueRefs: z.array(ackReferenceSchema).max(1).meta(atomic).optional().describe("As ACK has it; give queues"),
    sourceAccessConfigurations: z.array(sourceAccessSchema).max(23).meta(atomic).optional(),
    selfManagedEventSource: z
      .object({
        endpoints: mapOf(z.array(text(300, 1)).max(10).meta(atomic), 2).optional(),
      })
      .optional(),
    selfManagedKafkaEventSourceConfig: z.object(schemaRegistryShape).optional(),
    amazonManagedKafkaEventSourceConfig: z.object(schemaRegistryShape).optional(),
    documentDBEventSourceConfig: z
      .object({
        databaseName: text(63, 1).optional(),
        collectionName: text(57, 1).optional(),
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
    loggingConfig: z.object({ systemLogLevel: z.enum(["DEBUG", "INFO", "WARN"]).optional() }).optional(),
    tags: mapOf(text(256), 50).optional(),
  }),
  [...functionReferenceRules, ...eventSourceMappingRules],
);
export type EventSourceMappingSpec = z.output<typeof eventSourceMappingSpecSchema>;

export const eventSourceMappingStatusSchema = z.object({
  state: z.enum(["Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating", "Deleting"]).optional(),
  stateTransitionReason: text(4096).optional(),
  lastProcessingResult: text(4096).optional(),
  lag: z.int().min(0).optional().describe("Records that wait"),
  uuid: text(64).optional(),
  conditions: conditionsSchema.optional(),
  observedGeneration: observedGenerationSchema.optional(),
});
export type EventSourceMappingStatus = z.infer<typeof eventSourceMappingStatusSchema>;
export type EventSourceMappingObject = CustomObject<EventSourceMappingSpec, EventSourceMappingStatus>;

export const eventSourceMappingKind = {
  apiVersion: API_VERSION,
  kind: "EventSourceMapping",
  plural: "eventsourcemappings",
  namespaced: true,
} as const;

/** Checks an EventSourceMapping as the API server would, and fills in defaults; with `old` also that it may become this. */
export function parseEventSourceMapping(
  object: unknown,
  old?: EventSourceMappingObject,
): ParseResult<EventSourceMappingObject> {
  return parseObject<typeof eventSourceMappingSpecSchema, EventSourceMappingStatus>(
    { ...eventSourceMappingKind, spec: eventSourceMappingSpecSchema, rules: [] },
    object,
    old,
  );
}
