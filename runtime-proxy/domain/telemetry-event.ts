/** Events as subscribers get them: one JSON object each, in the form of the schema that was subscribed to. */
import type { PlatformEventType, PlatformRecords } from "./platform-event.ts";
import type { TelemetryCategory, TelemetrySchema } from "./telemetry-subscription.ts";

export type PlatformEvent = {
  readonly [T in PlatformEventType]: { readonly time: string; readonly type: T; readonly record: PlatformRecords[T] };
}[PlatformEventType];

/** One line of output, its `\n` included when it had one. */
export type OutputEvent = {
  readonly [T in "function" | "extension"]: { readonly time: string; readonly type: T; readonly record: string };
}["function" | "extension"];

export type TelemetryEvent = PlatformEvent | OutputEvent;

export function categoryOf(type: TelemetryEvent["type"]): TelemetryCategory {
  return type === "function" || type === "extension" ? type : "platform";
}

/**
 * The event as JSON text without a line break; undefined when the schema does not have it: a strict client (Rust `lambda-extension`)
 * refuses a whole batch for one type that it does not know. `hasJsonLines`: the function's log format is JSON.
 */
export function encodeEvent(event: TelemetryEvent, schema: TelemetrySchema, hasJsonLines: boolean): string | undefined {
  const record = encodeRecord(event, schema, hasJsonLines);
  return record === undefined ? undefined : `{"time":"${event.time}","type":"${event.type}","record":${record}}`;
}

/** For the function's log in JSON format. */
export function encodePlatformEvent(event: PlatformEvent): string {
  return encodeEvent(event, "2022-12-13", true) ?? "";
}

const logsSchemas: readonly TelemetrySchema[] = ["2020-08-15", "2021-03-18"];
const stringOnlySchemas: readonly TelemetrySchema[] = ["2022-07-01", ...logsSchemas];

function encodeRecord(event: TelemetryEvent, schema: TelemetrySchema, hasJsonLines: boolean): string | undefined {
  if (event.type === "function" || event.type === "extension") {
    const isParsed = hasJsonLines && !stringOnlySchemas.includes(schema) && isSafeJsonObject(event.record);
    return isParsed ? event.record.trim() : JSON.stringify(event.record);
  }
  const record = logsSchemas.includes(schema) ? logsRecord(event, schema) : telemetryRecord(event, schema);
  return record === undefined ? undefined : JSON.stringify(record);
}

function telemetryRecord(event: PlatformEvent, schema: TelemetrySchema): object | undefined {
  switch (event.type) {
    case "platform.end":
    case "platform.fault":
    case "platform.logsSubscription":
      return undefined;
    case "platform.initReport": {
      const { status: _status, errorType: _errorType, ...older } = event.record;
      return withExactNumbers(schema === "2022-07-01" ? older : event.record);
    }
    default:
      return withExactNumbers(event.record);
  }
}

/** Source: developer guide, runtimes-logs-api, log messages. */
function logsRecord(event: PlatformEvent, schema: TelemetrySchema): object | string | undefined {
  switch (event.type) {
    case "platform.start":
      return pick(event.record, ["requestId", "version", "tracing"]);
    case "platform.report":
      return withExactNumbers(pick(event.record, ["requestId", "metrics", "tracing"]));
    case "platform.runtimeDone": {
      const { requestId, status } = event.record;
      if (schema === "2020-08-15") return undefined;
      return { requestId, status: status === "error" ? "failure" : status };
    }
    case "platform.end":
    case "platform.fault":
    case "platform.extension":
    case "platform.logsSubscription":
    case "platform.logsDropped":
      return event.record;
    default:
      return undefined;
  }
}

function pick<T extends object, K extends keyof T>(record: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.filter((name) => name in record).map((name) => [name, record[name]])) as Pick<T, K>;
}

const integers: ReadonlySet<string> = new Set([
  "billedDurationMs",
  "memorySizeMB",
  "maxMemoryUsedMB",
  "instanceMaxMemory",
  "producedBytes",
  "droppedRecords",
  "droppedBytes",
]);

/** Counts and sizes as integers (rounded up), durations to the microsecond, no number that JSON would make a null. */
function withExactNumbers<T extends object>(record: T): T {
  const copy: Record<string, unknown> = {};
  // A loop, since this runs several times an invocation.
  for (const name in record) copy[name] = exact(name, record[name]);
  return copy as T;
}

function exact(name: string, value: unknown): unknown {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return 0;
    return integers.has(name) ? Math.ceil(value) : Math.round(value * 1000) / 1000;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => exact(name, item));
  return typeof value === "object" && value !== null ? withExactNumbers(value) : value;
}

/** Deeper nesting than strict parsers take (128 in Rust's serde_json, with the event around it). */
const MAX_DEPTH = 100;

/** A JSON object that every parser takes as it stands: no lone surrogates, no numbers out of range, not too deep. */
function isSafeJsonObject(line: string): boolean {
  if (!/^\s*\{/.test(line)) return false;
  try {
    return isSafe(JSON.parse(line), MAX_DEPTH);
  } catch {
    return false;
  }
}

function isSafe(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value);
    case "string":
      return value.isWellFormed();
    case "object":
      if (value === null) return true;
      if (depth === 0) return false;
      return Object.entries(value).every(([name, member]) => name.isWellFormed() && isSafe(member, depth - 1));
    default:
      return true;
  }
}
