/** What one execution environment and its runtime may do next: closed tables over plain data. Source: lambda runtime API, emulator core/states.go. */

/** State of one start of the runtime process, as the Runtime API sees it and names it in its refusals. */
export type RuntimeState =
  | "Started"
  | "InitError"
  | "Ready"
  | "Running"
  | "InvocationResponse"
  | "InvocationErrorResponse"
  | "RuntimeResponseSentState";

/** Calls of the runtime, and two moves of ours: `invoke` hands out an event, `sent` has read an answer whole. */
export type RuntimeMove = "next" | "response" | "error" | "initError" | "invoke" | "sent";

export const runtimeMoves = {
  Started: { next: "Ready", initError: "InitError" },
  InitError: {},
  Ready: { next: "Ready", invoke: "Running" },
  Running: { next: "Running", response: "InvocationResponse", error: "InvocationErrorResponse" },
  InvocationResponse: { sent: "RuntimeResponseSentState" },
  InvocationErrorResponse: { sent: "RuntimeResponseSentState" },
  RuntimeResponseSentState: { next: "Ready" },
} as const satisfies Record<RuntimeState, Partial<Record<RuntimeMove, RuntimeState>>>;

const refusedTarget = {
  next: "Ready",
  response: "InvocationResponse",
  error: "InvocationErrorResponse",
  initError: "InitError",
  invoke: "Running",
  sent: "RuntimeResponseSentState",
} as const satisfies Record<RuntimeMove, RuntimeState>;

export type RuntimeMoved =
  { readonly ok: true; readonly state: RuntimeState } | { readonly ok: false; readonly message: string };

/** The state after a move, or the refusal in the words of the Runtime API's 403. */
export function moveRuntime(state: RuntimeState, move: RuntimeMove): RuntimeMoved {
  const moves: Partial<Record<RuntimeMove, RuntimeState>> = runtimeMoves[state];
  const next = moves[move];
  if (next !== undefined) return { ok: true, state: next };
  const message = `State transition from ${state} to ${refusedTarget[move]} failed for runtime. Error: State transition is not allowed`;
  return { ok: false, message };
}

/**
 * Phase of the environment. `Down`: no process runs, the next invocation repeats the init within its own time.
 * `Finishing`: the caller has its answer, the runtime has not asked for the next event. `Ended` is final: whatever was under way changes nothing.
 */
export type EnvironmentPhase =
  "Initializing" | "Idle" | "Reinitializing" | "Invoking" | "Finishing" | "Resetting" | "Down" | "Ended";

export type EnvironmentMove = "initialized" | "invoke" | "answered" | "next" | "failed" | "reset" | "end";

export const environmentMoves = {
  Initializing: { initialized: "Idle", failed: "Resetting", end: "Ended" },
  Idle: { invoke: "Invoking", failed: "Resetting", end: "Ended" },
  Reinitializing: { initialized: "Invoking", failed: "Resetting", end: "Ended" },
  Invoking: { answered: "Finishing", failed: "Resetting", end: "Ended" },
  Finishing: { next: "Idle", failed: "Resetting", end: "Ended" },
  Resetting: { reset: "Down", end: "Ended" },
  Down: { invoke: "Reinitializing", end: "Ended" },
  Ended: {
    initialized: "Ended",
    invoke: "Ended",
    answered: "Ended",
    next: "Ended",
    failed: "Ended",
    reset: "Ended",
    end: "Ended",
  },
} as const satisfies Record<EnvironmentPhase, Partial<Record<EnvironmentMove, EnvironmentPhase>>>;

/** The phase after a move; undefined when the table does not have it. */
export function moveEnvironment(phase: EnvironmentPhase, move: EnvironmentMove): EnvironmentPhase | undefined {
  const moves: Partial<Record<EnvironmentMove, EnvironmentPhase>> = environmentMoves[phase];
  return moves[move];
}
