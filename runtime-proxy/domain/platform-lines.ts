/** The platform's own lines in a function's log. Source: Lambda recordings, developer guide, lambda-runtime-environment and monitoring-cloudwatchlogs-log-level. */
import type { PlatformRecords, Tracing } from "./platform-event.ts";
import { encodePlatformEvent, type PlatformEvent } from "./telemetry-event.ts";

export type SystemLogLevel = "DEBUG" | "INFO" | "WARN";

/** Real tabs, each line with its `\n`; undefined for what a text log does not show. */
export function textLine(event: PlatformEvent): string | undefined {
  switch (event.type) {
    case "platform.initStart":
      return initStartLine(event.record);
    case "platform.initReport":
      return initReportLine(event.record);
    case "platform.start":
      return `START RequestId: ${event.record.requestId} Version: ${event.record.version ?? "$LATEST"}\n`;
    case "platform.runtimeDone":
      return `END RequestId: ${event.record.requestId}\n`;
    case "platform.report":
      return `${reportLine(event.record)}${xrayLine(event.record.tracing)}`;
    case "platform.extension":
      return extensionLine(event.record);
    case "platform.telemetrySubscription":
      return `TELEMETRY\t${subscriptionFields(event.record)}`;
    case "platform.logsSubscription":
      return `LOGS\t${subscriptionFields(event.record)}`;
    case "platform.initRuntimeDone":
    case "platform.end":
    case "platform.fault":
    case "platform.logsDropped":
      return undefined;
  }
}

/** The event itself as a line; undefined when it is below the level, or one of the Logs API alone. */
export function jsonLine(event: PlatformEvent, leastLevel: SystemLogLevel): string | undefined {
  const level = levelOf(event);
  if (level === undefined || levels.indexOf(level) < levels.indexOf(leastLevel)) return undefined;
  return `${encodePlatformEvent(event)}\n`;
}

const levels: readonly SystemLogLevel[] = ["DEBUG", "INFO", "WARN"];

/** What a function's logging configuration says; INFO when it says nothing that we know. */
export function systemLogLevel(configured: string | undefined): SystemLogLevel {
  return levels.find((level) => level === configured) ?? "INFO";
}

/** Source: developer guide, monitoring-cloudwatchlogs-log-level, system log level event mapping. */
function levelOf(event: PlatformEvent): SystemLogLevel | undefined {
  switch (event.type) {
    case "platform.initStart":
      return event.record.runtimeVersion === undefined ? "DEBUG" : "INFO";
    case "platform.initReport":
      if (event.record.status !== "success") return "WARN";
      return event.record.initializationType === "on-demand" ? "DEBUG" : "INFO";
    case "platform.initRuntimeDone":
    case "platform.runtimeDone":
      return event.record.status === "success" ? "DEBUG" : "WARN";
    case "platform.start":
    case "platform.telemetrySubscription":
      return "INFO";
    case "platform.report":
      return event.record.status === "success" ? "INFO" : "WARN";
    case "platform.extension":
      return event.record.errorType === undefined ? "INFO" : "WARN";
    case "platform.logsDropped":
      return "WARN";
    case "platform.logsSubscription":
    case "platform.end":
    case "platform.fault":
      return undefined;
  }
}

/** Where no version of a runtime is known (images) there is no line. */
function initStartLine(record: PlatformRecords["platform.initStart"]): string | undefined {
  if (record.runtimeVersion === undefined) return undefined;
  const arn = record.runtimeVersionArn === undefined ? "" : `\tRuntime Version ARN: ${record.runtimeVersionArn}`;
  return `INIT_START Runtime Version: ${record.runtimeVersion}${arn}\n`;
}

/** A success shows where init is not part of a call. */
function initReportLine(record: PlatformRecords["platform.initReport"]): string | undefined {
  if (record.status === "success" && record.initializationType === "on-demand") return undefined;
  const head = `INIT_REPORT Init Duration: ${record.metrics.durationMs.toFixed(2)} ms\tPhase: ${record.phase}`;
  return record.status === "success" ? `${head}\n` : `${head}\t${statusFields(record)}\n`;
}

function reportLine(record: PlatformRecords["platform.report"]): string {
  const { durationMs, billedDurationMs, memorySizeMB, maxMemoryUsedMB, initDurationMs } = record.metrics;
  const fields = [
    `REPORT RequestId: ${record.requestId}`,
    `Duration: ${durationMs.toFixed(2)} ms`,
    `Billed Duration: ${billedDurationMs} ms`,
    `Memory Size: ${memorySizeMB} MB`,
    `Max Memory Used: ${maxMemoryUsedMB} MB`,
    ...(initDurationMs === undefined ? [] : [`Init Duration: ${initDurationMs.toFixed(2)} ms`]),
  ];
  const status = record.status === "success" ? "" : statusFields(record);
  return `${fields.join("\t")}\t${status}\n`;
}

function statusFields({ status, errorType }: { readonly status: string; readonly errorType?: string }): string {
  return `Status: ${status}${errorType === undefined ? "" : `\tError Type: ${errorType}`}`;
}

/** Follows REPORT as part of the same log event. Source: developer guide, services-xray. */
function xrayLine(tracing: Tracing | undefined): string {
  if (tracing === undefined) return "";
  const fields = new Map(tracing.value.split(";").map((field) => splitOnce(field.trim(), "=")));
  const traceId = fields.get("Root");
  const segmentId = tracing.spanId ?? fields.get("Parent");
  if (traceId === undefined || segmentId === undefined || fields.get("Sampled") !== "1") return "";
  return `XRAY TraceId: ${traceId}\tSegmentId: ${segmentId}\tSampled: true\t\n`;
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function extensionLine({ name, state, events, errorType }: PlatformRecords["platform.extension"]): string {
  const error = errorType === undefined ? "" : `\tError Type: ${errorType}`;
  return `EXTENSION\tName: ${oneLine(name)}\tState: ${state}\tEvents: [${events.join(", ")}]${error}\n`;
}

function subscriptionFields({ name, state, types }: PlatformRecords["platform.telemetrySubscription"]): string {
  const titles = types.map((type) => `${type.slice(0, 1).toUpperCase()}${type.slice(1)}`);
  return `Name: ${oneLine(name)}\tState: ${state}\tTypes: [${titles.join(", ")}]\n`;
}

/** A name is an extension's own choice: it makes no lines and no fields. */
function oneLine(name: string): string {
  return name.replaceAll(/[\u0000-\u001f\u007f]/g, " ");
}
