/** SAM's Events: those that are event source mappings, and what to say of the others. Source: SAM specification, EventSource. Pure. */
import { eventSourceMappingSpecSchema } from "../../../crds/v1alpha1/event-source-mapping.ts";
import { convert } from "./convert.ts";
import type { Draft, Found } from "./found.ts";
import { notesOf } from "./leftovers.ts";
import { objectOf } from "./object-of.ts";
import { own } from "./own.ts";
import { knownPart } from "./template-values.ts";
import { wordOf } from "./word-of.ts";

/** SAM's name for the source's ARN. */
const arnMember: Readonly<Record<string, string>> = {
  SQS: "Queue",
  Kinesis: "Stream",
  DynamoDB: "Stream",
  MSK: "Stream",
  MQ: "Broker",
  DocumentDB: "Cluster",
};

const instead: Readonly<Record<string, string>> = {
  Api: "put an Ingress or a gateway before the function's URL",
  HttpApi: "put an Ingress or a gateway before the function's URL",
  Schedule: "make an EventSourceMapping with eventSource.type Cron, or a CronJob that invokes the function",
  ScheduleV2: "make an EventSourceMapping with eventSource.type Cron, or a CronJob that invokes the function",
};

/** `functionName` with the alias that SAM would send them to. */
export function readEvents(events: unknown, functionName: string, id: string): readonly Found[] {
  return Object.entries(objectOf(events)).flatMap(([name, given]) => {
    const event = objectOf(given);
    const type = wordOf(event["Type"]);
    const properties = objectOf(event["Properties"]);
    if (own(arnMember, type) === undefined && type !== "SelfManagedKafka") {
      const text = `${id}.Events.${name} (${type}) has no counterpart here: ${own(instead, type) ?? "invoke the function through the Invoke API"}`;
      return [{ type: "note", text }] as const;
    }
    return [mappingOf({ type, properties, functionName, id: `${id}.Events.${name}` })];
  });
}

function mappingOf({
  type,
  properties,
  functionName,
  id,
}: {
  readonly type: string;
  readonly properties: Draft;
  readonly functionName: string;
  readonly id: string;
}): Found {
  const member = own(arnMember, type) ?? "";
  const { KafkaBootstrapServers: servers, DatabaseName, CollectionName, FullDocument, ...others } = properties;
  const { [member]: arn, ...same } = others;
  const given = {
    ...same,
    ...(arn !== undefined && { EventSourceArn: arn }),
    ...(servers !== undefined && { SelfManagedEventSource: { Endpoints: { KAFKA_BOOTSTRAP_SERVERS: servers } } }),
    ...(type === "DocumentDB" && { DocumentDBEventSourceConfig: { DatabaseName, CollectionName, FullDocument } }),
    ...(type === "SelfManagedKafka" && same["StartingPosition"] === undefined && { StartingPosition: "TRIM_HORIZON" }),
  };
  const known = knownPart(given);
  const { value, left } = convert(eventSourceMappingSpecSchema, known.value);
  const kept = left.filter((path) => !path.endsWith(".Type"));
  const notes = [...notesOf(kept), ...known.unknown];
  return { type: "mapping", functionName, id, origin: `${id} (${type})`, spec: value as Draft, notes };
}
