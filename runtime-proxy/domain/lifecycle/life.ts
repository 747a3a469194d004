/** One step under way: the state it changes and the effects it collects. */
import type { SignalProcess } from "../../../crds/wire/supervisor.ts";
import type { ExtensionEvent } from "../extension-state.ts";
import { exitError, normalizeErrorType, timeoutError, type PlatformError } from "../function-error.ts";
import type { LifecycleEffect, Outcome } from "./effect.ts";
import type { ExtensionSeen, Failure, LifecycleState, TimerName } from "./state.ts";

export interface Life {
  readonly state: LifecycleState;
  readonly effects: LifecycleEffect[];
}

export function setTimer({ state, effects }: Life, name: TimerName, ms: number): void {
  if (!state.timers.includes(name)) state.timers = [...state.timers, name];
  effects.push({ type: "setTimer", name, ms });
}

export function cancelTimers({ state, effects }: Life, ...names: readonly TimerName[]): void {
  const set = names.filter((name) => state.timers.includes(name));
  if (set.length === 0) return;
  state.timers = state.timers.filter((name) => !set.includes(name));
  for (const name of set) effects.push({ type: "cancelTimer", name });
}

export function cancelAllTimers(life: Life): void {
  cancelTimers(life, ...life.state.timers);
}

export function goOn({ state, effects }: Life): void {
  if (!state.isStopped) return;
  state.isStopped = false;
  effects.push({ type: "goOn" });
}

export function signal(life: Life, process: number, name: SignalProcess["signal"]): void {
  life.effects.push({ type: "signal", process, signal: name });
}

/** To the extension's `next`, or to the following one. */
export function deliver({ state, effects }: Life, extension: ExtensionSeen, event: ExtensionEvent): void {
  // Who has reported an error while it waited is to end, not to work.
  if (!extension.isPolling || extension.state !== "Ready") {
    extension.pending = event;
    return;
  }
  extension.isPolling = false;
  extension.pending = undefined;
  extension.state = "Running";
  const reason = event === "SHUTDOWN" ? state.shutdown?.reason : undefined;
  effects.push({ type: "deliverToExtension", id: extension.id, event, ...(reason !== undefined && { reason }) });
}

/** The unexpected end of a process in the words that a caller is told: an extension that said why first is named for that. */
export function endError(state: LifecycleState): PlatformError | undefined {
  const { ended } = state;
  if (ended === undefined) return undefined;
  const extension = state.extensions.find(({ process }) => process === ended.process);
  if (extension === undefined) return exitError(ended);
  const { signal: by, status = 0 } = ended;
  const reason = by !== undefined ? `signal: ${by}` : status === 0 ? "exit code 0" : `exit status ${status}`;
  return { errorType: crashType(extension), message: reason };
}

function crashType({ state }: ExtensionSeen): PlatformError["errorType"] {
  if (state === "InitError") return "Extension.InitError";
  return state === "ExitError" ? "Extension.ExitError" : "Extension.Crash";
}

/** What happened first: the end of a process counts from when it ended, not from when all of it was heard. */
export function firstFailure(state: LifecycleState, cause: Failure): Failure {
  const ended = endError(state);
  // What a runtime said about its init it said before it ended.
  const isExplained = cause.kind === "reported" && state.ended?.process === state.runtime.process;
  return ended === undefined || isExplained ? cause : { kind: "error", error: ended };
}

export function failureError(state: LifecycleState, failure: Exclude<Failure, { kind: "reported" }>): PlatformError {
  return failure.kind === "timeout" ? timeoutError(state.rules.timeoutMs / 1000) : failure.error;
}

export function failureOutcome(failure: Failure): Outcome {
  switch (failure.kind) {
    case "timeout":
      return { status: "timeout" };
    case "error":
      return { status: "error", errorType: failure.error.errorType };
    case "reported":
      return { status: "error", errorType: normalizeErrorType(failure.report.errorType) };
  }
}
