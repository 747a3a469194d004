/** The shutdown phase, also of a reset: the runtime, then the extensions, then whatever is left. Source: emulator rapid/shutdown.go. */
import type { ShutdownReason } from "../extension-state.ts";
import { cancelAllTimers, cancelTimers, deliver, goOn, setTimer, signal, type Life } from "./life.ts";
import { isRegistered, type ExtensionSeen, type LifecycleState } from "./state.ts";

/** How long a runtime that said that its init failed may take to end by itself. */
const ownExitLimitMs = 500;
/** Whole budget with external, with internal extensions only, and the runtime's part of the first. */
const externalBudgetMs = 2_000;
const internalBudgetMs = 500;
const runtimeBudgetMs = 300;

export function beginShutdown(life: Life, reason: ShutdownReason, letsRuntimeEnd: boolean): void {
  const { state } = life;
  cancelAllTimers(life);
  goOn(life);
  state.phase = "ShuttingDown";
  state.ended = undefined;
  for (const extension of state.extensions) extension.pending = undefined;
  state.shutdown = { reason, stage: "exit" };
  if (letsRuntimeEnd && state.runtime.hasProcess) setTimer(life, "exit", ownExitLimitMs);
  else stopRuntime(life);
}

/** Nobody registered: nobody is told. */
function budgetMs({ extensions }: LifecycleState): number {
  const registered = extensions.filter(isRegistered);
  if (registered.some(({ kind }) => kind === "external")) return externalBudgetMs;
  return registered.length > 0 ? internalBudgetMs : 0;
}

function stopRuntime(life: Life): void {
  const { state } = life;
  const budget = budgetMs(state);
  if (state.shutdown === undefined) return;
  if (budget === 0) {
    killAll(life);
    return;
  }
  state.shutdown.stage = "runtime";
  setTimer(life, "shutdown", budget);
  if (!state.runtime.hasProcess) {
    afterRuntime(life);
    return;
  }
  signal(life, state.runtime.process, "SIGTERM");
  if (budget === externalBudgetMs) setTimer(life, "exit", runtimeBudgetMs);
}

function afterRuntime(life: Life): void {
  const { state, effects } = life;
  cancelTimers(life, "exit");
  if (state.shutdown === undefined) return;
  if (!state.extensions.some(({ hasProcess }) => hasProcess)) {
    killAll(life);
    return;
  }
  state.shutdown.stage = "flush";
  effects.push({ type: "flushTelemetry" });
}

/** Subscribers hear of it at their `next`; all others are killed at once. */
function stopExtensions(life: Life): void {
  const { state } = life;
  if (state.shutdown === undefined) return;
  state.shutdown.stage = "extensions";
  for (const extension of state.extensions) {
    if (!extension.hasProcess) continue;
    if (hearsShutdown(extension)) deliver(life, extension, "SHUTDOWN");
    else signal(life, extension.process, "SIGKILL");
  }
  killWhenGone(life);
}

function hearsShutdown({ events, state }: ExtensionSeen): boolean {
  const canAsk = state === "Registered" || state === "Ready" || state === "Running";
  return canAsk && events.includes("SHUTDOWN");
}

function killWhenGone(life: Life): void {
  if (!life.state.extensions.some(({ hasProcess }) => hasProcess)) killAll(life);
}

function killAll(life: Life): void {
  const { state, effects } = life;
  if (state.shutdown === undefined) return;
  cancelAllTimers(life);
  state.shutdown.stage = "killing";
  effects.push({ type: "killAll" });
}

/** A process has ended, as it should. */
export function onExitInShutdown(life: Life): void {
  const { state } = life;
  switch (state.shutdown?.stage) {
    case "exit":
      if (state.runtime.hasProcess) return;
      cancelTimers(life, "exit");
      stopRuntime(life);
      return;
    case "runtime":
      if (!state.runtime.hasProcess) afterRuntime(life);
      return;
    case "extensions":
      killWhenGone(life);
      return;
    case "flush":
    case "killing":
    case undefined:
  }
}

export function onFlushed(life: Life, start: number): void {
  if (life.state.shutdown?.stage === "flush" && life.state.start === start) stopExtensions(life);
}

export function onShutdownTimer(life: Life, name: "exit" | "shutdown"): void {
  const { state } = life;
  if (name === "shutdown") killAll(life);
  else if (state.shutdown?.stage === "exit") stopRuntime(life);
  else signal(life, state.runtime.process, "SIGKILL");
}

/** Nothing runs any more. */
export function onAllGone({ state }: Life): void {
  if (state.shutdown?.stage !== "killing") return;
  state.phase = "Down";
  state.shutdown = undefined;
  state.runtime.hasProcess = false;
  state.runtime.polls = 0;
  state.extensions = [];
}
