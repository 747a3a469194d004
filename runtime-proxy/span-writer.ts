/** Writes spans by OTLP over HTTP: the one file that knows OpenTelemetry, imported when an endpoint is set. */
import { SpanKind, SpanStatusCode, TraceFlags, type Attributes, type HrTime } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan } from "@opentelemetry/sdk-trace";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { callSpans, type CallCourse, type Span } from "./domain/call-spans.ts";
import type { CallRecord } from "./invoke-api/call-record.ts";
import { newSpanId } from "./invoke-api/trace-header.ts";

export interface SpanWriterOptions {
  /** Base URL of the collector: `/v1/traces` is added. */
  readonly endpoint: string;
  /** E.g. of authorization. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the router itself. */
  readonly resource: Attributes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onSpans: (result: "exported" | "failed" | "dropped", count: number) => void;
  /** Most spans that wait to be sent; those beyond are dropped. Default 8,192. */
  readonly mostWaiting?: number;
  /** Longest wait of a span before it is sent. Default 1,000. */
  readonly delayMs?: number;
}

export interface SpanWriter {
  /** Writes the spans of a call that is traced. */
  observe(record: CallRecord): void;
  /** Sends what waits, as far as the deadline lets it. */
  close(deadlineMs: number): Promise<void>;
}

const batchSize = 512;
const sendLimitMs = 10_000;
/** Of functions' versions; more are made anew for each span. */
const mostResources = 1000;
const scope = { name: "kubelambda" };

export function openSpanWriter(options: SpanWriterOptions): SpanWriter {
  const { endpoint, headers, clock, log, onSpans, mostWaiting = 8192, delayMs = 1000 } = options;
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: sendLimitMs,
  });
  let waiting = 0;
  const failures = new Failures(log, endpoint);
  const processor = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        exporter.export(spans, (result) => {
          waiting -= spans.length;
          onSpans(result.error === undefined ? "exported" : "failed", spans.length);
          failures.tell(result.error);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    },
    maxQueueSize: mostWaiting + batchSize,
    maxExportBatchSize: batchSize,
    scheduledDelayMillis: delayMs,
    exportTimeoutMillis: 2 * sendLimitMs,
  });
  const resources = new Resources(options.resource);
  return {
    observe(record) {
      const course = courseOf(record, clock);
      if (course === undefined) return;
      const spans = callSpans(course, newSpanId);
      if (waiting + spans.length > mostWaiting) {
        onSpans("dropped", spans.length);
        return;
      }
      waiting += spans.length;
      for (const span of spans) processor.onEnd(toReadable(span, course.trace.traceId, resources.of(span)));
    },
    async close(deadlineMs) {
      const late = Promise.withResolvers<undefined>();
      const cancel = clock.schedule(deadlineMs, () => late.resolve(undefined));
      await Promise.race([processor.shutdown().catch(() => undefined), late.promise]);
      cancel();
    },
  };
}

/** The call on the clock of the wall; undefined: it is not traced. */
function courseOf({ trace, found, figures, ...call }: CallRecord, clock: Clock): CallCourse | undefined {
  if (trace === undefined || found === undefined) return undefined;
  const toWallMs = clock.nowMs() - clock.monotonicMs();
  const { facts, invokedArn } = found;
  const { sentMs, answeredMs, waitMs, told } = figures;
  return {
    ...call,
    ...{ trace, waitMs, told },
    function: { ...facts, invokedArn },
    environment: figures.environment,
    startedMs: figures.startedMs + toWallMs,
    endedMs: figures.endedMs + toWallMs,
    sentMs: sentMs === undefined ? undefined : sentMs + toWallMs,
    answeredMs: answeredMs === undefined ? undefined : answeredMs + toWallMs,
  };
}

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER } as const;
const unset = { code: SpanStatusCode.UNSET } as const;
const traceFlags = TraceFlags.SAMPLED;

function toReadable(span: Span, traceId: string, resource: Resource): ReadableSpan {
  const { name, kind, spanId, parentSpanId, fromMs, untilMs, attributes, error } = span;
  return {
    name,
    kind: kinds[kind],
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parentSpanId !== undefined && {
      parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: true },
    }),
    startTime: toHrTime(fromMs),
    endTime: toHrTime(untilMs),
    duration: toHrTime(untilMs - fromMs),
    status: error === undefined ? unset : { code: SpanStatusCode.ERROR, message: error },
    attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
function toHrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

/** Spans of one resource are sent together when they share the object. */
class Resources {
  readonly #own: Resource;
  readonly #known = new Map<string, Resource>();

  constructor(own: Attributes) {
    this.#own = resourceFromAttributes(own);
  }

  of({ resource }: Span): Resource {
    if (resource === undefined) return this.#own;
    const key = `${String(resource["cloud.resource_id"])} ${String(resource["faas.instance"])}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= mostResources) this.#known.clear();
    const made = resourceFromAttributes(resource);
    this.#known.set(key, made);
    return made;
  }
}

/** Says that a collector does not take spans when that begins, and when it is over. */
class Failures {
  readonly #log: Logger;
  readonly #endpoint: string;
  #isFailing = false;

  constructor(log: Logger, endpoint: string) {
    this.#log = log;
    this.#endpoint = endpoint;
  }

  tell(error: Error | undefined): void {
    if ((error !== undefined) === this.#isFailing) return;
    this.#isFailing = error !== undefined;
    if (error === undefined) this.#log.info("The trace collector takes spans again", { endpoint: this.#endpoint });
    else this.#log.warn("Cannot send spans to the trace collector", { endpoint: this.#endpoint, error: error.message });
  }
}
