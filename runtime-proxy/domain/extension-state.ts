/** What an extension may call next: a closed table. Source: Extensions API, emulator core/externalagent_states.go, internalagent_states.go. */

/** As printed in refusals and in `platform.extension` records. */
export type ExtensionState = "Started" | "Registered" | "Ready" | "Running" | "InitError" | "ExitError" | "LaunchError";

export type ExtensionEvent = "INVOKE" | "SHUTDOWN";
export type ShutdownReason = "SPINDOWN" | "TIMEOUT" | "FAILURE";

/** Calls of an extension, and `event`: one was handed to it. */
export type ExtensionMove = "register" | "next" | "initError" | "exitError" | "event";

export const extensionMoves = {
  Started: { register: "Registered" },
  Registered: { next: "Ready", initError: "InitError", exitError: "ExitError" },
  Ready: { exitError: "ExitError", event: "Running" },
  Running: { next: "Ready", exitError: "ExitError" },
  InitError: { initError: "InitError" },
  ExitError: { exitError: "ExitError" },
  LaunchError: {},
} as const satisfies Record<ExtensionState, Partial<Record<ExtensionMove, ExtensionState>>>;

const refusedTarget = {
  register: "Registered",
  next: "Ready",
  initError: "InitError",
  exitError: "ExitError",
  event: "Running",
} as const satisfies Record<ExtensionMove, ExtensionState>;

export type ExtensionMoved =
  { readonly ok: true; readonly state: ExtensionState } | { readonly ok: false; readonly message: string };

/** From there a report of the end is refused as the end itself would be. Source: emulator core/externalagent_states.go. */
function targetOf(state: ExtensionState, move: ExtensionMove): string {
  return state === "InitError" && move === "exitError" ? "Exited" : refusedTarget[move];
}

/** The state after a move, or the refusal in the words of the Extensions API's 403. `whom`: the name on registering, else the identifier. */
export function moveExtension(state: ExtensionState, move: ExtensionMove, whom: string): ExtensionMoved {
  const moves: Partial<Record<ExtensionMove, ExtensionState>> = extensionMoves[state];
  const next = moves[move];
  if (next !== undefined) return { ok: true, state: next };
  const message = `State transition from ${state} to ${targetOf(state, move)} failed for extension ${whom}. Error: State transition is not allowed`;
  return { ok: false, message };
}
