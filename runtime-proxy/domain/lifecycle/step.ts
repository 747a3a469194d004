/** The life of an execution environment as one closed state machine. Source: developer guide, lambda-runtime-environment; emulator rapid. */
import type { LifecycleEffect } from "./effect.ts";
import { onExtensionError, onExtensionNext, onExtensionPollGone, onRegister } from "./extension-calls.ts";
import type { LifecycleInput, LifecycleInputType } from "./input.ts";
import type { Life } from "./life.ts";
import {
  onCaughtUp,
  onConnected,
  onDrain,
  onExited,
  onHeardOut,
  onInitErrorDone,
  onInvoke,
  onLost,
  onReported,
  onStartFailed,
  onTimer,
  settle,
} from "./phases.ts";
import {
  onInitErrorBegun,
  onResponseBegun,
  onResponseDone,
  onResponseStreams,
  onRuntimeNext,
  onRuntimePollGone,
} from "./runtime-calls.ts";
import { onAllGone, onFlushed } from "./shutdown.ts";
import { copyState, type LifecycleState } from "./state.ts";
import { accepted, type Verdict } from "./verdict.ts";

export interface Step {
  readonly state: LifecycleState;
  /** To be carried out in this order. */
  readonly effects: readonly LifecycleEffect[];
  /** Of a call; anything else is accepted. */
  readonly verdict: Verdict;
}

/** What follows from an input. The state given is left as it is. */
export function step(state: LifecycleState, input: LifecycleInput): Step {
  const life: Life = { state: copyState(state), effects: [] };
  const take = takes[input.type] as Take<LifecycleInput>;
  const verdict = take(life, input);
  settle(life);
  return { state: life.state, effects: life.effects, verdict };
}

type Take<I> = (life: Life, input: I) => Verdict;
type Takes = { readonly [T in LifecycleInputType]: Take<Extract<LifecycleInput, { readonly type: T }>> };

const takes: Takes = {
  connected: told((life, { files }) => onConnected(life, files)),
  lost: told(onLost),
  drain: told(onDrain),
  timer: told((life, { name }) => onTimer(life, name)),
  startFailed: told((life, { process, error }) => onStartFailed(life, process, error)),
  exited: told((life, { exit }) => onExited(life, exit)),
  heardOut: told((life, { start }) => onHeardOut(life, start)),
  allGone: told(onAllGone),
  invoke: (life, { requestId, isStreamed }) => onInvoke(life, requestId, isStreamed),
  caughtUp: told(onCaughtUp),
  runtimeNext: onRuntimeNext,
  runtimePollGone: told((life, { start }) => onRuntimePollGone(life, start)),
  responseBegun: onResponseBegun,
  responseStreams: told(onResponseStreams),
  responseDone: told(onResponseDone),
  initErrorBegun: onInitErrorBegun,
  initErrorDone: told((life, { start, report }) => onInitErrorDone(life, start, report)),
  register: onRegister,
  extensionNext: (life, { id }) => onExtensionNext(life, id),
  extensionPollGone: told((life, { id }) => onExtensionPollGone(life, id)),
  extensionInitError: (life, { id }) => onExtensionError(life, "initError", id),
  extensionExitError: (life, { id }) => onExtensionError(life, "exitError", id),
  telemetryFlushed: told((life, { start }) => onFlushed(life, start)),
  reported: told(onReported),
};

/** Of what is told and not asked. */
function told<I>(hear: (life: Life, input: I) => void): Take<I> {
  return (life, input) => {
    hear(life, input);
    return accepted;
  };
}
