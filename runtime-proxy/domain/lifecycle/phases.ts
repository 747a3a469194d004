/** How one phase becomes another: what follows from calls, ends, timers and the router. */
import type { ProcessExit, StartErrorCode } from "../../../crds/wire/supervisor.ts";
import { exitError, startError, type PlatformError } from "../function-error.ts";
import { completeInit, failInit, isInitComplete, startAll } from "./init.ts";
import { beginInvocation, failInvocation, handOut, isInvocationOver, reportInvocation, settleDoubt } from "./invoke.ts";
import { cancelAllTimers, cancelTimers, endError, firstFailure, goOn, setTimer, type Life } from "./life.ts";
import { beginShutdown, onExitInShutdown, onShutdownTimer } from "./shutdown.ts";
import {
  invocationRefusal,
  type ExtensionSeen,
  type Failure,
  type InitErrorReport,
  type LifecycleState,
  type TimerName,
} from "./state.ts";
import { accepted, refuseInvocation, type Verdict } from "./verdict.ts";

export function onConnected(life: Life, files: readonly string[]): void {
  const { state } = life;
  if (state.phase !== "Connecting") return;
  state.files = files;
  start(life, "init");
}

function start(life: Life, phase: "init" | "invoke"): void {
  const failure = startAll(life, phase);
  if (failure !== undefined) fail(life, failure);
}

/** Takes one invocation ahead: it waits for what the last one left, or for the end of a reset. */
export function onInvoke({ state, effects }: Life, requestId: string, isStreamed: boolean): Verdict {
  const refusal = invocationRefusal(state);
  if (refusal !== undefined) return refuseInvocation(refusal);
  state.queued = { requestId, isStreamed, isCaughtUp: false };
  effects.push({ type: "catchUp" });
  return accepted;
}

export function onCaughtUp({ state }: Life): void {
  if (state.queued !== undefined) state.queued.isCaughtUp = true;
}

/** What the runtime says about its init it said before it ends, whichever is heard first. */
export function onInitErrorDone(life: Life, ofStart: number, report: InitErrorReport): void {
  const { state } = life;
  if (ofStart === state.start && state.phase === "Init") fail(life, { kind: "reported", report });
}

export function onReported({ state }: Life): void {
  state.isReporting = false;
  if (state.phase !== "Invoking") return;
  state.current = undefined;
  state.phase = "Idle";
}

/** No new invocation; the running and the queued one are served, then everything is shut down. */
export function onDrain(life: Life): void {
  const { state, effects } = life;
  if (state.isDraining || state.phase === "Ended") return;
  state.isDraining = true;
  effects.push({ type: "announce" });
  if (state.phase === "Connecting") end(life);
  if (state.phase === "Init" && state.current === undefined) beginShutdown(life, "SPINDOWN", false);
}

/** A container is gone, and with it everything that could be reset. */
export function onLost(life: Life): void {
  const { state, effects } = life;
  if (state.phase === "Ended") return;
  const error = endError(state) ?? exitError({ signal: "killed", outOfMemory: false });
  const failure: Failure = { kind: "error", error };
  if (state.phase === "Init") failInit(life, failure);
  failInvocation(life, failure);
  if (state.queued !== undefined) effects.push({ type: "refuseQueued" });
  state.current = undefined;
  state.queued = undefined;
  state.isDraining = true;
  cancelAllTimers(life);
  effects.push({ type: "announce" });
  end(life);
}

function end({ state, effects }: Life): void {
  state.phase = "Ended";
  state.shutdown = undefined;
  effects.push({ type: "ended" });
}

export function onTimer(life: Life, name: TimerName): void {
  const { state } = life;
  if (!state.timers.includes(name)) return;
  state.timers = state.timers.filter((set) => set !== name);
  switch (name) {
    case "deadline":
      settleDoubt(life);
      fail(life, { kind: "timeout" });
      return;
    case "init":
    case "ask":
      fail(life, { kind: "timeout" });
      return;
    case "cause":
      settleDoubt(life);
      return;
    case "exit":
    case "shutdown":
      onShutdownTimer(life, name);
  }
}

export function onStartFailed(
  life: Life,
  process: number,
  error: { readonly code: StartErrorCode; readonly message: string },
): void {
  const owner = ownerOf(life.state, process);
  if (owner === undefined) return;
  owner.hasProcess = false;
  const failure = "name" in owner ? launchError(owner, error.message) : startError(error);
  if (isAlive(life.state)) fail(life, { kind: "error", error: failure });
  else onExitInShutdown(life);
}

function launchError(extension: ExtensionSeen, message: string): PlatformError {
  extension.state = "LaunchError";
  extension.errorType = message.endsWith("permission denied") ? "PermissionDenied" : "UnknownError";
  return { errorType: "Extension.LaunchError", message };
}

/** What the process still sent before its end is heard first: an answer counts even if its process is gone. */
export function onExited(life: Life, exit: ProcessExit): void {
  const { state, effects } = life;
  const owner = ownerOf(state, exit.process);
  if (owner === undefined) return;
  owner.hasProcess = false;
  if (!isAlive(state)) {
    onExitInShutdown(life);
    return;
  }
  if (state.ended !== undefined) return;
  state.ended = exit;
  effects.push({ type: "hearOut" });
}

export function onHeardOut(life: Life, ofStart: number): void {
  const error = ofStart === life.state.start ? endError(life.state) : undefined;
  if (error !== undefined) fail(life, { kind: "error", error });
}

function ownerOf(
  { runtime, extensions }: LifecycleState,
  process: number,
): { hasProcess: boolean } | ExtensionSeen | undefined {
  if (runtime.process === process) return runtime;
  return extensions.find((extension) => extension.process === process);
}

/** Processes run, and their end is not wanted. */
function isAlive({ phase }: LifecycleState): boolean {
  return phase === "Init" || phase === "Idle" || phase === "Invoking";
}

/** The first reason counts; who waits is told, then everything is reset. */
function fail(life: Life, cause: Failure): void {
  const { state } = life;
  if (!isAlive(state)) return;
  const failure = firstFailure(state, cause);
  if (state.phase === "Init") failInit(life, failure);
  failInvocation(life, failure);
  state.current = undefined;
  beginShutdown(life, failure.kind === "timeout" ? "TIMEOUT" : "FAILURE", failure.kind === "reported");
}

/** What is due now that the input has had its effect. */
export function settle(life: Life): void {
  const { state } = life;
  if (state.phase === "Init" && isInitComplete(state)) {
    completeInit(life);
    if (state.current === undefined) state.phase = "Idle";
    else handOut(life, state.current);
  }
  if (state.phase === "Invoking" && isInvocationOver(state)) reportInvocation(life);
  if (state.phase === "Idle" && state.ended === undefined) settleIdle(life);
  if (state.phase === "Down" && !state.isReporting) settleDown(life);
}

function settleIdle(life: Life): void {
  const { state } = life;
  if (state.queued !== undefined) {
    if (state.queued.isCaughtUp) serveQueued(life);
  } else if (state.isDraining) beginShutdown(life, "SPINDOWN", false);
  else stopWaiting(life);
}

/** A client may have dropped its `next`, to call again. */
function serveQueued(life: Life): void {
  const { state } = life;
  if (state.runtime.polls === 0) {
    goOn(life);
    if (!state.timers.includes("ask")) setTimer(life, "ask", state.rules.timeoutMs);
    return;
  }
  cancelTimers(life, "ask");
  beginInvocation(life);
  if (state.current !== undefined) handOut(life, state.current);
}

function stopWaiting({ state, effects }: Life): void {
  const { rules, isStopped, runtime, extensions } = state;
  if (!rules.stopsBetweenInvocations || isStopped || runtime.polls === 0) return;
  if (!extensions.every(({ isPolling }) => isPolling)) return;
  state.isStopped = true;
  effects.push({ type: "stop" });
}

function settleDown(life: Life): void {
  const { state } = life;
  if (state.queued === undefined) {
    if (state.isDraining) end(life);
    return;
  }
  if (!state.queued.isCaughtUp) return;
  beginInvocation(life);
  start(life, "invoke");
}
