/** What the lifecycle wants done, in this order. */
import type { SignalProcess } from "../../../crds/wire/supervisor.ts";
import type { ExtensionEvent, ShutdownReason } from "../extension-state.ts";
import type { PlatformError } from "../function-error.ts";
import type { WholeAnswer } from "./input.ts";
import type { Failure, TimerName } from "./state.ts";
import type { InitPhase, PlatformRecords } from "../platform-event.ts";

/** How an init or an invocation ended; a handler's own error is a success. */
export type Outcome =
  | { readonly status: "success" }
  | { readonly status: "timeout" }
  | { readonly status: "error"; readonly errorType: string };

/** What the caller gets; an `error` is worded by the platform, with the request id. */
export type CallerAnswer =
  | ({ readonly kind: "whole" } & WholeAnswer)
  | { readonly kind: "error"; readonly error: PlatformError }
  | { readonly kind: "tooLarge" }
  /** A function error without a payload. */
  | { readonly kind: "nothing" };

export interface StreamEnd {
  readonly end: "Complete" | "Truncated" | "Oversized";
  readonly errorType?: string;
  /** Base64, as the runtime sent it; else `error` is worded. */
  readonly errorBody?: string;
  readonly error?: PlatformError;
}

export type LifecycleEffect =
  /** `extension` absent: the runtime. Later: `startFailed` or nothing. */
  | { readonly type: "startProcess"; readonly process: number; readonly extension?: string }
  | { readonly type: "signal"; readonly process: number; readonly signal: SignalProcess["signal"] }
  /** Ends every process, forgets every connection and subscription. Later: `allGone`. */
  | { readonly type: "killAll" }
  /** Later: `heardOut`, once all that an ended process had sent is read. */
  | { readonly type: "hearOut" }
  /** Later: `caughtUp`. */
  | { readonly type: "catchUp" }
  /** Before an event, a signal or a shutdown goes on what stands still. */
  | { readonly type: "stop" }
  | { readonly type: "goOn" }
  | { readonly type: "setTimer"; readonly name: TimerName; readonly ms: number }
  | { readonly type: "cancelTimer"; readonly name: TimerName }
  /** To every `next` of the runtime that waits. */
  | { readonly type: "deliver" }
  | {
      readonly type: "deliverToExtension";
      readonly id: string;
      readonly event: ExtensionEvent;
      readonly reason?: ShutdownReason;
    }
  /** Of the queued invocation: it is the running one from now on. */
  | { readonly type: "begin" }
  | { readonly type: "answer"; readonly answer: CallerAnswer; readonly outcome: Outcome }
  | { readonly type: "openStream"; readonly contentType: string }
  | { readonly type: "closeStream"; readonly end: StreamEnd; readonly outcome: Outcome }
  /** Of a queued invocation that cannot be served: nothing was started. */
  | { readonly type: "refuseQueued" }
  | { readonly type: "tellInitStart"; readonly phase: InitPhase }
  | { readonly type: "tellRuntimeInit"; readonly phase: InitPhase; readonly outcome: Outcome }
  | { readonly type: "tellExtensions"; readonly extensions: readonly PlatformRecords["platform.extension"][] }
  | {
      readonly type: "tellInit";
      readonly phase: InitPhase;
      readonly outcome: Outcome;
      readonly failure?: Failure;
    }
  | { readonly type: "tellStart" }
  | { readonly type: "tellFault"; readonly error: PlatformError }
  | { readonly type: "tellRuntimeDone"; readonly outcome: Outcome }
  /** Writes what the invocation took. Later: `reported`. */
  | { readonly type: "report"; readonly outcome: Outcome }
  | { readonly type: "closeTelemetry" }
  /** Later: `telemetryFlushed`. */
  | { readonly type: "flushTelemetry" }
  | { readonly type: "announce" }
  | { readonly type: "ended" };
