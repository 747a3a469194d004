/** What an EventSourceMapping may say depends on its source. Rules: developer guide, page of each source; Lambda API reference. */
import { immutable, rule, type Rule } from "../rule.ts";
import type { AckReference } from "./reference.ts";

/** The fields that rules look at. */
export interface MappingSeen {
  readonly functionName?: string | undefined;
  readonly functionRef?: AckReference | undefined;
  readonly eventSourceARN?: string | undefined;
  readonly eventSourceRef?: AckReference | undefined;
  readonly eventSource?: { readonly type: string; readonly name?: string | undefined } | undefined;
  readonly selfManagedEventSource?: unknown;
  readonly startingPosition?: string | undefined;
  readonly startingPositionTimestamp?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly maximumBatchingWindowInSeconds?: number | undefined;
  readonly maximumRecordAgeInSeconds?: number | undefined;
  readonly maximumRetryAttempts?: number | undefined;
  readonly bisectBatchOnFunctionError?: boolean | undefined;
  readonly parallelizationFactor?: number | undefined;
  readonly tumblingWindowInSeconds?: number | undefined;
  readonly destinationConfig?:
    { readonly onSuccess?: { readonly destination?: string | undefined } | undefined } | undefined;
  readonly scalingConfig?: unknown;
  readonly provisionedPollerConfig?:
    { readonly minimumPollers?: number | undefined; readonly maximumPollers?: number | undefined } | undefined;
}

/** Whether the source is of one kind, as a CEL expression and as a predicate: by eventSource.type, else by the ARN's service. */
interface SourceTest {
  readonly cel: string;
  readonly predicate: (spec: MappingSeen) => boolean;
}

function sourceIs(...kinds: readonly (readonly [type: string, service: string])[]): SourceTest {
  const byType = `has(self.eventSource) && self.eventSource.type in [${kinds.map(([type]) => `'${type}'`).join(", ")}]`;
  const byARN = `has(self.eventSourceARN) && (${kinds.map(([, service]) => `self.eventSourceARN.contains(':${service}:')`).join(" || ")})`;
  return {
    cel: `((${byType}) || (${byARN}))`,
    predicate: ({ eventSource, eventSourceARN }) =>
      kinds.some(([type, service]) => eventSource?.type === type || eventSourceARN?.includes(`:${service}:`) === true),
  };
}

const isSQS = sourceIs(["SQS", "sqs"]);
const isDynamoDB = sourceIs(["DynamoDBStreams", "dynamodb"]);
const isStream = sourceIs(["Kinesis", "kinesis"], ["DynamoDBStreams", "dynamodb"]);
const isFIFO: SourceTest = {
  cel: "((has(self.eventSourceARN) && self.eventSourceARN.endsWith('.fifo')) || (has(self.eventSource) && has(self.eventSource.name) && self.eventSource.name.endsWith('.fifo')))",
  predicate: ({ eventSource, eventSourceARN }) =>
    eventSourceARN?.endsWith(".fifo") === true || eventSource?.name?.endsWith(".fifo") === true,
};

const sources = ["eventSourceARN", "eventSourceRef", "eventSource", "selfManagedEventSource"] as const;
const streamOnly = ["parallelizationFactor", "tumblingWindowInSeconds"] as const;
const neverQueue = [
  "startingPosition",
  "maximumRetryAttempts",
  "maximumRecordAgeInSeconds",
  "bisectBatchOnFunctionError",
  "destinationConfig",
] as const;

function onlyFor(field: keyof MappingSeen, source: SourceTest, name: string): Rule<MappingSeen> {
  return rule(
    `!has(self.${field}) || ${source.cel}`,
    (spec) => spec[field] === undefined || source.predicate(spec),
    `${field} applies to ${name} only`,
  );
}

function notFor(field: keyof MappingSeen, source: SourceTest, name: string): Rule<MappingSeen> {
  return rule(
    `!has(self.${field}) || !${source.cel}`,
    (spec) => spec[field] === undefined || !source.predicate(spec),
    `${field} does not apply to ${name}`,
  );
}

const startRules: readonly Rule<MappingSeen>[] = [
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
    `!has(self.startingPosition) || self.startingPosition != 'AT_TIMESTAMP' || !${isDynamoDB.cel}`,
    (spec) => spec.startingPosition !== "AT_TIMESTAMP" || !isDynamoDB.predicate(spec),
    "Unsupported starting position for DynamoDB streams: TRIM_HORIZON or LATEST is needed",
  ),
];

const batchRules: readonly Rule<MappingSeen>[] = [
  rule(
    `!${isSQS.cel} || ${isFIFO.cel} || !has(self.batchSize) || self.batchSize <= 10 || (has(self.maximumBatchingWindowInSeconds) && self.maximumBatchingWindowInSeconds >= 1)`,
    (spec) =>
      !isSQS.predicate(spec) ||
      isFIFO.predicate(spec) ||
      (spec.batchSize ?? 0) <= 10 ||
      (spec.maximumBatchingWindowInSeconds ?? 0) >= 1,
    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
  ),
  rule(
    `!${isSQS.cel} || !${isFIFO.cel} || !has(self.batchSize) || self.batchSize <= 10`,
    (spec) => !isSQS.predicate(spec) || !isFIFO.predicate(spec) || (spec.batchSize ?? 0) <= 10,
    "batchSize is 1 to 10 for a FIFO queue",
  ),
  rule(
    `!${isSQS.cel} || !${isFIFO.cel} || !has(self.maximumBatchingWindowInSeconds) || self.maximumBatchingWindowInSeconds == 0`,
    (spec) => !isSQS.predicate(spec) || !isFIFO.predicate(spec) || (spec.maximumBatchingWindowInSeconds ?? 0) === 0,
    "maximumBatchingWindowInSeconds does not apply to a FIFO queue",
  ),
  rule(
    "!has(self.maximumRecordAgeInSeconds) || self.maximumRecordAgeInSeconds == -1 || self.maximumRecordAgeInSeconds >= 60",
    ({ maximumRecordAgeInSeconds: age }) => age === undefined || age === -1 || age >= 60,
    "maximumRecordAgeInSeconds is -1 or 60 to 604800",
  ),
  rule(
    "!has(self.provisionedPollerConfig) || !has(self.provisionedPollerConfig.minimumPollers) || !has(self.provisionedPollerConfig.maximumPollers) || self.provisionedPollerConfig.minimumPollers <= self.provisionedPollerConfig.maximumPollers",
    ({ provisionedPollerConfig: { minimumPollers = 0, maximumPollers = Infinity } = {} }) =>
      minimumPollers <= maximumPollers,
    "minimumPollers is at most maximumPollers",
  ),
  rule(
    "!has(self.destinationConfig) || !has(self.destinationConfig.onSuccess) || !has(self.destinationConfig.onSuccess.destination)",
    ({ destinationConfig }) => destinationConfig?.onSuccess?.destination === undefined,
    "Unsupported DestinationConfig parameter for given event source mapping type: only onFailure",
  ),
];

export const eventSourceMappingRules: readonly Rule<MappingSeen>[] = [
  rule(
    `[${sources.map((field) => `has(self.${field})`).join(", ")}].filter(x, x).size() == 1`,
    (spec) => sources.filter((field) => spec[field] !== undefined).length === 1,
    `exactly one source is needed: ${sources.join(", ")}`,
  ),
  ...["eventSourceARN", "eventSourceRef", "selfManagedEventSource", "startingPosition"].map(immutable),
  ...startRules,
  ...batchRules,
  ...streamOnly.map((field) => onlyFor(field, isStream, "Kinesis and DynamoDB streams")),
  onlyFor("scalingConfig", isSQS, "SQS"),
  ...neverQueue.map((field) => notFor(field, isSQS, "SQS")),
];
