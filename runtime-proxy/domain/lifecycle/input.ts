/** What the lifecycle is told. `start`: of which start of the processes it is; what is late is not heard. */
import type { ProcessExit, StartErrorCode } from "../../../crds/wire/supervisor.ts";
import type { ExtensionEvent } from "../extension-state.ts";
import type { InitErrorReport, TimerName } from "./state.ts";
import type { Payload } from "../payload.ts";

/** What the runtime answered, read to its end. */
export interface WholeAnswer {
  readonly payload: Payload;
  readonly contentType: string;
  readonly isFunctionError: boolean;
}

export type ResponseEnd =
  | { readonly kind: "whole"; readonly answer: WholeAnswer }
  /** A stream whose caller has all of it; with trailers that say so, it failed on the way. */
  | { readonly kind: "streamed"; readonly failure?: { readonly errorType: string; readonly errorBody: string } }
  | { readonly kind: "tooLarge" }
  | { readonly kind: "truncated" };

export type LifecycleInput =
  /** All supervisors have called. */
  | { readonly type: "connected"; readonly files: readonly string[] }
  | { readonly type: "lost" }
  | { readonly type: "drain" }
  | { readonly type: "timer"; readonly name: TimerName }
  // Of processes.
  | {
      readonly type: "startFailed";
      readonly process: number;
      readonly error: { readonly code: StartErrorCode; readonly message: string };
    }
  | { readonly type: "exited"; readonly exit: ProcessExit }
  | { readonly type: "heardOut"; readonly start: number }
  | { readonly type: "allGone" }
  // Of the router.
  | { readonly type: "invoke"; readonly requestId: string; readonly isStreamed: boolean }
  | { readonly type: "caughtUp" }
  // Of the runtime.
  | { readonly type: "runtimeNext" }
  | { readonly type: "runtimePollGone"; readonly start: number }
  | {
      readonly type: "responseBegun";
      readonly call: "response" | "error";
      readonly requestId: string;
      readonly hasInvalidMode: boolean;
    }
  /** The first chunk for a caller who takes a stream. */
  | { readonly type: "responseStreams"; readonly start: number; readonly contentType: string }
  | { readonly type: "responseDone"; readonly start: number; readonly end: ResponseEnd }
  | { readonly type: "initErrorBegun" }
  | { readonly type: "initErrorDone"; readonly start: number; readonly report: InitErrorReport }
  // Of extensions. `id` of a registration: what it is called from now on.
  | {
      readonly type: "register";
      readonly name: string;
      readonly events: readonly ExtensionEvent[];
      readonly id: string;
    }
  | { readonly type: "extensionNext"; readonly id: string }
  | { readonly type: "extensionPollGone"; readonly id: string }
  | { readonly type: "extensionInitError"; readonly id: string }
  | { readonly type: "extensionExitError"; readonly id: string }
  // What was asked for is done.
  | { readonly type: "telemetryFlushed"; readonly start: number }
  | { readonly type: "reported" };

export type LifecycleInputType = LifecycleInput["type"];
