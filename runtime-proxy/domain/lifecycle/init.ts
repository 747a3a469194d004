/** The init phase: all extensions, then the runtime, then everybody's `next`. Source: developer guide, lambda-runtime-environment; emulator rapid/handlers.go. */
import { cancelTimers, failureOutcome, setTimer, type Life } from "./life.ts";
import { freshRuntime, isRegistered, type ExtensionSeen, type Failure, type LifecycleState } from "./state.ts";
import type { InitPhase, PlatformRecords } from "../platform-event.ts";

/** External and internal together. Source: emulator core/registrations.go. */
export const MAX_EXTENSIONS = 10;

/** Starts everything; a failure that is known before anything runs is returned. */
export function startAll(life: Life, phase: InitPhase): Failure | undefined {
  const { state, effects } = life;
  state.start += 1;
  state.phase = "Init";
  state.initPhase = phase;
  state.runtime = freshRuntime();
  state.extensions = state.files.map(freshExtension);
  effects.push({ type: "tellInitStart", phase });
  if (phase === "init") setTimer(life, "init", state.rules.initTimeoutMs);
  else setTimer(life, "deadline", state.rules.timeoutMs);
  const surplus = state.extensions[MAX_EXTENSIONS];
  if (surplus !== undefined) return refuseLaunch(surplus);
  for (const extension of state.extensions) {
    extension.process = ++state.lastProcess;
    extension.hasProcess = true;
    effects.push({ type: "startProcess", process: extension.process, extension: extension.name });
  }
  startRuntime(life);
  return undefined;
}

function freshExtension(name: string): ExtensionSeen {
  return {
    name,
    kind: "external",
    id: "",
    state: "Started",
    events: [],
    process: 0,
    hasProcess: false,
    isPolling: false,
    pending: undefined,
    errorType: undefined,
  };
}

function refuseLaunch(extension: ExtensionSeen): Failure {
  extension.state = "LaunchError";
  extension.errorType = "TooManyExtensions";
  const message = `Extension limit (${MAX_EXTENSIONS}) reached`;
  return { kind: "error", error: { errorType: "Extension.LaunchError", message } };
}

/** Once every extension that was started has registered. */
export function startRuntime({ state, effects }: Life): void {
  if (state.phase !== "Init" || state.runtime.process !== 0 || !state.extensions.every(isRegistered)) return;
  state.runtime.process = ++state.lastProcess;
  state.runtime.hasProcess = true;
  effects.push({ type: "startProcess", process: state.runtime.process });
}

/** The runtime's first `next`. */
export function completeRuntimeInit({ state, effects }: Life): void {
  if (state.phase !== "Init") return;
  effects.push({ type: "tellRuntimeInit", phase: state.initPhase, outcome: { status: "success" } });
}

/** Runtime and every extension, whatever its events, have asked for what comes after init. */
export function isInitComplete(state: LifecycleState): boolean {
  const hasRuntime = state.runtime.process !== 0 && state.runtime.state === "Ready";
  return hasRuntime && state.ended === undefined && state.extensions.every((extension) => extension.state === "Ready");
}

export function completeInit(life: Life): void {
  const { state, effects } = life;
  cancelTimers(life, "init");
  state.isInitOver = true;
  state.keptInitError = undefined;
  tellExtensions(life);
  effects.push({ type: "tellInit", phase: state.initPhase, outcome: { status: "success" } });
  effects.push({ type: "closeTelemetry" }, { type: "announce" });
}

/** The environment takes invocations all the same: each repeats the init. */
export function failInit(life: Life, failure: Failure): void {
  const { state, effects } = life;
  const outcome = failureOutcome(failure);
  state.isInitOver = true;
  if (failure.kind === "reported") state.keptInitError = failure.report;
  if (state.runtime.state !== "Ready") effects.push({ type: "tellRuntimeInit", phase: state.initPhase, outcome });
  tellExtensions(life);
  effects.push({ type: "tellInit", phase: state.initPhase, outcome, failure });
  effects.push({ type: "closeTelemetry" }, { type: "announce" });
}

function tellExtensions({ state, effects }: Life): void {
  if (state.extensions.length === 0) return;
  effects.push({ type: "tellExtensions", extensions: state.extensions.map(extensionRecord) });
}

function extensionRecord(extension: ExtensionSeen): PlatformRecords["platform.extension"] {
  const { name, state, events, errorType } = extension;
  return { name, state, events: [...events].sort(), ...(errorType !== undefined && { errorType }) };
}
