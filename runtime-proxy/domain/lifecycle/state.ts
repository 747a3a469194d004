/** Everything that decides what an execution environment does next, as plain data: no clock, no promise, no connection. */
import type { AgentRefusal } from "../../../crds/wire/environment.ts";
import type { ProcessExit } from "../../../crds/wire/supervisor.ts";
import type { ExtensionEvent, ExtensionState, ShutdownReason } from "../extension-state.ts";
import type { PlatformError } from "../function-error.ts";
import type { Payload } from "../payload.ts";
import type { InitPhase } from "../platform-event.ts";
import type { RuntimeState } from "../runtime-state.ts";

/** What the function's configuration says. */
export interface LifecycleRules {
  readonly timeoutMs: number;
  readonly initTimeoutMs: number;
  /** Processes stand still between invocations. */
  readonly stopsBetweenInvocations: boolean;
}

/**
 * `Connecting`: some container's supervisor has not called. `Invoking`: an event is out, or its REPORT is being written.
 * `Down`: no process runs, the next invocation repeats the init within its own time. `Ended` is final.
 */
export type Phase = "Connecting" | "Init" | "Idle" | "Invoking" | "ShuttingDown" | "Down" | "Ended";

/**
 * `init`, `deadline`: limits of the phases. `ask`: for a runtime that dropped its `next` to call again. `cause`: for the end of a process
 * that broke its answer off. `exit`: for the runtime to end, by itself or after SIGTERM. `shutdown`: the whole budget.
 */
export type TimerName = "init" | "deadline" | "ask" | "cause" | "exit" | "shutdown";

export interface RuntimeSeen {
  state: RuntimeState;
  /** 0: not started yet. */
  process: number;
  /** Runs, or is being started. */
  hasProcess: boolean;
  /** Calls of `next` that wait. */
  polls: number;
}

export interface ExtensionSeen {
  readonly name: string;
  /** External: a process of its own; internal: code in the runtime's process. */
  readonly kind: "external" | "internal";
  /** Its identifier; empty until it has registered. */
  id: string;
  state: ExtensionState;
  events: readonly ExtensionEvent[];
  /** 0: internal, or not started. */
  process: number;
  hasProcess: boolean;
  isPolling: boolean;
  /** Came due while no `next` waited. */
  pending: ExtensionEvent | undefined;
  /** Of a failed launch, for its record. */
  errorType: string | undefined;
}

/** Body and error type that the runtime gave for its failed init. */
export interface InitErrorReport {
  readonly payload: Payload;
  readonly contentType: string;
  readonly errorType: string | undefined;
}

/** Why everything has to be reset. */
export type Failure =
  | { readonly kind: "timeout" }
  | { readonly kind: "error"; readonly error: PlatformError }
  | { readonly kind: "reported"; readonly report: InitErrorReport };

export interface QueuedInvocation {
  readonly requestId: string;
  /** The caller takes the payload as it comes. */
  readonly isStreamed: boolean;
  /** What had arrived before it has been read: whoever seems to wait for an event does. */
  isCaughtUp: boolean;
}

export interface RunningInvocation {
  readonly requestId: string;
  readonly isStreamed: boolean;
  isHandedOut: boolean;
  /** What the caller has: nothing, the beginning of a stream, all. */
  answer: "none" | "streaming" | "given";
  /** The answer broke off: whether its process has ended decides what is told. */
  isDoubtful: boolean;
  /** The runtime has asked for the next event. */
  isRuntimeDone: boolean;
  /** Of an answer that could not be used. */
  failure: PlatformError | undefined;
}

/** `exit`: the runtime may end by itself. `runtime`: SIGTERM, then SIGKILL. `killing`: everything that is left. */
export interface Shutdown {
  readonly reason: ShutdownReason;
  stage: "exit" | "runtime" | "flush" | "extensions" | "killing";
}

export interface LifecycleState {
  readonly rules: LifecycleRules;
  phase: Phase;
  /** Of processes all together; what belongs to an earlier one is not heard. */
  start: number;
  initPhase: InitPhase;
  /** An init has ended, well or not: invocations are taken. */
  isInitOver: boolean;
  /** Names in /opt/extensions in byte order. */
  files: readonly string[];
  lastProcess: number;
  runtime: RuntimeSeen;
  extensions: ExtensionSeen[];
  /** The first unexpected end of a process, until all that it had sent was heard. */
  ended: ProcessExit | undefined;
  /** What the last init that told a reason told. */
  keptInitError: InitErrorReport | undefined;
  current: RunningInvocation | undefined;
  queued: QueuedInvocation | undefined;
  shutdown: Shutdown | undefined;
  timers: readonly TimerName[];
  /** A REPORT is being written. */
  isReporting: boolean;
  isDraining: boolean;
  /** Processes stand still. */
  isStopped: boolean;
}

export function initialState(rules: LifecycleRules): LifecycleState {
  return {
    rules,
    phase: "Connecting",
    start: 0,
    initPhase: "init",
    isInitOver: false,
    files: [],
    lastProcess: 0,
    runtime: freshRuntime(),
    extensions: [],
    ended: undefined,
    keptInitError: undefined,
    current: undefined,
    queued: undefined,
    shutdown: undefined,
    timers: [],
    isReporting: false,
    isDraining: false,
    isStopped: false,
  };
}

export function freshRuntime(): RuntimeSeen {
  return { state: "Started", process: 0, hasProcess: false, polls: 0 };
}

export function copyState(state: LifecycleState): LifecycleState {
  return {
    ...state,
    runtime: { ...state.runtime },
    extensions: state.extensions.map((extension) => ({ ...extension })),
    current: state.current && { ...state.current },
    queued: state.queued && { ...state.queued },
    shutdown: state.shutdown && { ...state.shutdown },
  };
}

/** What routers are told. */
export function availability(state: LifecycleState): "starting" | "ready" | "busy" | "draining" {
  if (state.isDraining || state.phase === "Ended") return "draining";
  if (!state.isInitOver) return "starting";
  return isRunning(state) ? "busy" : "ready";
}

/** An invocation has been let in and has not been answered. */
export function isRunning({ queued, current }: LifecycleState): boolean {
  return queued !== undefined || (current !== undefined && current.answer !== "given");
}

/** Why an invocation would be refused now. */
export function invocationRefusal(state: LifecycleState): AgentRefusal | undefined {
  switch (availability(state)) {
    case "draining":
      return { code: "Draining", message: "Cannot invoke: the environment is draining" };
    case "starting":
      return { code: "Busy", message: "Cannot invoke: the environment is in its init phase" };
    case "busy":
      return { code: "Busy", message: "Cannot invoke: the environment runs another invocation" };
    case "ready":
      return undefined;
  }
}

export function isRegistered({ id }: ExtensionSeen): boolean {
  return id !== "";
}
