/** The spans of one call, made at its end from the times that router and agent have measured. Pure. */
import type { TraceContext } from "./trace-header.ts";

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  readonly name: string;
  readonly kind: "server" | "internal";
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  /** ms since 1970, with fractions. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Absent: the router's own. */
  readonly resource?: SpanAttributes;
  readonly attributes: SpanAttributes;
  /** What failed; absent: nothing did. */
  readonly error?: string | undefined;
}

/** A call as far as its spans tell of it. Moments are ms since 1970. */
export interface CallCourse {
  readonly trace: TraceContext;
  readonly requestId: string;
  readonly operation: string;
  readonly function: {
    readonly name: string;
    readonly namespace: string;
    readonly version: string;
    /** Unqualified. */
    readonly arn: string;
    readonly invokedArn: string;
  };
  /** uid of the pod that ran it. */
  readonly environment?: string | undefined;
  readonly status: number;
  /** As in the metrics: `ok`, `function_error` or an error's code. */
  readonly result: string;
  readonly eventBytes: number;
  readonly answerBytes: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly waitMs: number;
  /** Absent: no agent has answered. */
  readonly sentMs?: number | undefined;
  readonly answeredMs?: number | undefined;
  readonly told: Readonly<Partial<Record<"durationMs" | "initMs" | "startMs" | "fetchMs" | "readyMs", number>>>;
}

/** A shorter wait is no span of its own. */
const shortestWaitMs = 1;

/** The call first, then what is in it. `newSpanId` gives 16 hex for spans that nobody else knows of. */
export function callSpans(call: CallCourse, newSpanId: () => string): readonly Span[] {
  const { sentMs } = call;
  const spans: Span[] = [serverSpan(call)];
  if (sentMs === undefined) return spans;
  const run = runOf(call, sentMs);
  spans.push(functionSpan(call, run));
  const wait = { name: "wait", spanId: newSpanId(), fromMs: sentMs - call.waitMs, untilMs: sentMs };
  if (call.waitMs < shortestWaitMs) return spans;
  spans.push({ ...wait, kind: "internal", parentSpanId: call.trace.spanId, attributes: {} });
  for (const { name, fromMs, untilMs } of startPhases(call, { wait, run }))
    spans.push({
      ...{ name, kind: "internal", spanId: newSpanId(), parentSpanId: wait.spanId, fromMs, untilMs },
      attributes: { "faas.name": call.function.name, ...instanceOf(call) },
    });
  return spans;
}

interface Time {
  readonly fromMs: number;
  readonly untilMs: number;
}

function serverSpan(call: CallCourse): Span {
  const { trace, function: called, operation } = call;
  return {
    name: `${operation} ${called.name}`,
    kind: "server",
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    fromMs: call.startedMs,
    untilMs: call.endedMs,
    attributes: {
      "faas.invocation_id": call.requestId,
      "faas.invoked_name": called.name,
      "faas.trigger": triggerOf(call),
      "aws.lambda.invoked_arn": called.invokedArn,
      "k8s.namespace.name": called.namespace,
      "http.response.status_code": call.status,
      "http.request.body.size": call.eventBytes,
      "http.response.body.size": call.answerBytes,
      ...errorType(call),
    },
    // A refusal is the caller's fault below 500. Source: OpenTelemetry semantic conventions, HTTP spans, status.
    error: call.status >= 500 || call.result === "function_error" ? call.result : undefined,
  };
}

/** The agent's own part lies on both sides of the run, which it alone has measured. */
function runOf({ answeredMs, endedMs, told }: CallCourse, sentMs: number): Time {
  const { durationMs } = told;
  if (durationMs === undefined || answeredMs === undefined) return { fromMs: sentMs, untilMs: endedMs };
  const fromMs = sentMs + Math.max(0, answeredMs - sentMs - durationMs) / 2;
  return { fromMs, untilMs: fromMs + durationMs };
}

function functionSpan(call: CallCourse, run: Time): Span {
  const { trace, told } = call;
  return {
    name: call.function.name,
    kind: "server",
    spanId: trace.functionSpanId,
    parentSpanId: trace.spanId,
    ...run,
    resource: functionResource(call),
    attributes: {
      "faas.invocation_id": call.requestId,
      "faas.trigger": triggerOf(call),
      "faas.coldstart": told.readyMs !== undefined || told.initMs !== undefined,
      ...errorType(call),
    },
    error: call.result === "ok" ? undefined : call.result,
  };
}

/** Source: OpenTelemetry semantic conventions, FaaS and cloud resources. */
function functionResource(call: CallCourse): SpanAttributes {
  const { name, namespace, version, arn } = call.function;
  const [, , , region = "", accountId = ""] = arn.split(":");
  return {
    "service.name": name,
    "service.namespace": namespace,
    "service.version": version,
    "faas.name": name,
    "faas.version": version,
    ...instanceOf(call),
    "cloud.region": region,
    "cloud.account.id": accountId,
    "cloud.resource_id": version === "$LATEST" ? arn : `${arn}:${version}`,
    "k8s.namespace.name": namespace,
  };
}

/** Only what came up while the call waited is part of it. */
function startPhases(
  { told: { startMs = 0, fetchMs = 0, initMs = 0, readyMs } }: CallCourse,
  { wait, run }: { readonly wait: Time; readonly run: Time },
): readonly (Time & { readonly name: string })[] {
  const readyAtMs = readyMs === undefined ? -Infinity : Math.min(run.fromMs - readyMs, wait.untilMs);
  if (readyAtMs <= wait.fromMs) return [];
  const initAtMs = readyAtMs - initMs;
  const fetchAtMs = initAtMs - fetchMs;
  const phases = [
    { name: "start", fromMs: fetchAtMs - startMs, untilMs: fetchAtMs },
    { name: "fetch", fromMs: fetchAtMs, untilMs: initAtMs },
    { name: "init", fromMs: initAtMs, untilMs: readyAtMs },
  ];
  return phases.filter(({ fromMs, untilMs }) => untilMs > fromMs);
}

function instanceOf({ environment }: CallCourse): SpanAttributes {
  return environment === undefined ? {} : { "faas.instance": environment, "k8s.pod.uid": environment };
}

function triggerOf({ operation }: CallCourse): string {
  return operation === "FunctionUrl" ? "http" : "other";
}

function errorType({ result }: CallCourse): SpanAttributes {
  return result === "ok" || result === "dry_run" ? {} : { "error.type": result };
}
