/**
 * What an execution environment tells about itself: the records of telemetry schema 2022-12-13, and the ports by which the lifecycle
 * and the Telemetry API meet. Optional members are left out, never undefined on the wire. Source: developer guide, telemetry-schema-reference.
 */
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";

export type InitializationType = EnvironmentDocument["initializationType"];
/** `init`: the init phase; `invoke`: an init repeated inside an invocation. */
export type InitPhase = "init" | "invoke";
/** `error`: of function, runtime or extension; `failure`: of the platform. Both come with an errorType. A handler's own error is a `success`. */
export type PlatformStatus = "success" | "error" | "failure" | "timeout";

export interface Span {
  readonly name: "responseLatency" | "responseDuration" | "runtimeOverhead" | "extensionOverhead";
  /** ISO 8601, UTC, milliseconds. */
  readonly start: string;
  readonly durationMs: number;
}

export interface Tracing {
  readonly type: "X-Amzn-Trace-Id";
  readonly value: string;
  readonly spanId?: string;
}

interface Outcome {
  readonly status: PlatformStatus;
  readonly errorType?: string;
}

/** Names and members as Lambda has them; durations are ms with up to three decimals, sizes and counts are integers. */
export interface PlatformRecords {
  "platform.initStart": {
    readonly initializationType: InitializationType;
    readonly phase: InitPhase;
    readonly functionName: string;
    readonly functionVersion: string;
    /** Log stream. */
    readonly instanceId?: string;
    /** MB. */
    readonly instanceMaxMemory?: number;
    readonly runtimeVersion?: string;
    readonly runtimeVersionArn?: string;
  };
  "platform.initRuntimeDone": Outcome & {
    readonly initializationType: InitializationType;
    readonly phase: InitPhase;
    readonly spans?: readonly Span[];
  };
  "platform.initReport": Outcome & {
    readonly initializationType: InitializationType;
    readonly phase: InitPhase;
    readonly metrics: { readonly durationMs: number };
    readonly spans?: readonly Span[];
  };
  "platform.start": { readonly requestId: string; readonly version?: string; readonly tracing?: Tracing };
  "platform.runtimeDone": Outcome & {
    readonly requestId: string;
    readonly metrics?: { readonly durationMs: number; readonly producedBytes?: number };
    readonly spans?: readonly Span[];
    readonly tracing?: Tracing;
  };
  "platform.report": Outcome & {
    readonly requestId: string;
    readonly metrics: {
      readonly durationMs: number;
      readonly billedDurationMs: number;
      readonly memorySizeMB: number;
      readonly maxMemoryUsedMB: number;
      /** On a cold start only. */
      readonly initDurationMs?: number;
    };
    readonly spans?: readonly Span[];
    readonly tracing?: Tracing;
  };
  "platform.extension": {
    readonly name: string;
    readonly state: string;
    /** Sorted. */
    readonly events: readonly string[];
    readonly errorType?: string;
  };
  "platform.telemetrySubscription": {
    readonly name: string;
    readonly state: "Subscribed";
    readonly types: readonly string[];
  };
  "platform.logsSubscription": {
    readonly name: string;
    readonly state: "Subscribed";
    readonly types: readonly string[];
  };
  "platform.logsDropped": {
    readonly reason: string;
    readonly droppedRecords: number;
    readonly droppedBytes: number;
  };
  /** Logs API only. */
  "platform.end": { readonly requestId: string };
  /** Logs API only: `RequestId: <id> Error: <text>\n<ErrorType>\n`. */
  "platform.fault": string;
}

export type PlatformEventType = keyof PlatformRecords;

/** Who wrote output: the runtime's processes, or those of the extension of that name. */
export type OutputSource = { readonly kind: "function" } | { readonly kind: "extension"; readonly name: string };

/** What the log itself makes: of a `platform.runtimeDone`, of subscriptions, of what was lost. */
export type DerivedEventType =
  "platform.end" | "platform.telemetrySubscription" | "platform.logsSubscription" | "platform.logsDropped";
export type ToldEventType = Exclude<PlatformEventType, DerivedEventType>;

/** The lifecycle tells, the log takes: the container's log, a caller's tail and subscribers see all of it in one order. */
export interface PlatformLog {
  /** Somebody reads more of the records than the lines of a text log say. */
  readonly wantsSpans: boolean;
  /** Time stamped now. */
  tell<T extends ToldEventType>(type: T, record: PlatformRecords[T]): void;
}

/** What the lifecycle does with subscriptions. */
export interface TelemetrySubscriptions {
  /** Init is over: from now on who subscribes is refused. */
  close(): void;
  /** Sends what is buffered; settles when it has been taken, at the latest after `limitMs`. */
  flush(limitMs: number): Promise<void>;
  /** Processes are gone: their subscriptions go, registration opens anew. */
  reset(): void;
}
