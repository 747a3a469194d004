/** What a runtime may call next: a closed table. Source: lambda runtime API, emulator core/states.go. */

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
