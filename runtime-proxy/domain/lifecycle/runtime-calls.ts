/** Calls of the Runtime API. */
import { completeRuntimeInit } from "./init.ts";
import { deliverToRuntime, rejectResponseMode, settleDoubt, takeResponse, tellRuntimeDone } from "./invoke.ts";
import type { LifecycleInput } from "./input.ts";
import type { Life } from "./life.ts";
import type { LifecycleState, RunningInvocation } from "./state.ts";
import { accepted, refuseRuntime, type Verdict } from "./verdict.ts";
import { moveRuntime, type RuntimeMove } from "../runtime-state.ts";

type Input<T extends LifecycleInput["type"]> = Extract<LifecycleInput, { readonly type: T }>;

/** Somebody may speak in the runtime's place: an extension does, in images whose process is a web server. */
function hasRuntime({ phase, shutdown }: LifecycleState): boolean {
  return phase !== "Connecting" && phase !== "Down" && phase !== "Ended" && shutdown?.stage !== "killing";
}

function move({ state }: Life, name: RuntimeMove): Verdict {
  if (!hasRuntime(state)) return refuseRuntime({ code: "Unavailable" });
  const moved = moveRuntime(state.runtime.state, name);
  if (!moved.ok) return refuseRuntime({ code: "InvalidStateTransition", message: moved.message });
  state.runtime.state = moved.state;
  return accepted;
}

/** Waits, or gets the event that is not answered yet once more. */
export function onRuntimeNext(life: Life): Verdict {
  const { state } = life;
  const before = state.runtime.state;
  const verdict = move(life, "next");
  if (!verdict.ok) return verdict;
  state.runtime.polls += 1;
  if (before === "Started") completeRuntimeInit(life);
  if (state.phase !== "Invoking") return verdict;
  if (before === "Running") deliverToRuntime(life);
  if (before === "RuntimeResponseSentState") {
    settleDoubt(life);
    tellRuntimeDone(life);
  }
  return verdict;
}

/** The id is checked before the state, as Lambda does. */
export function onResponseBegun(life: Life, input: Input<"responseBegun">): Verdict {
  const { state } = life;
  if (!hasRuntime(state)) return refuseRuntime({ code: "Unavailable" });
  const { current } = state;
  if (current === undefined || current.requestId !== input.requestId || current.isRuntimeDone) {
    return refuseRuntime({ code: "InvalidRequestID" });
  }
  const verdict = move(life, input.call);
  if (verdict.ok && input.hasInvalidMode) rejectResponseMode(life, current);
  return verdict;
}

export function onResponseStreams(life: Life, { start, contentType }: Input<"responseStreams">): void {
  const current = answering(life.state, start);
  if (current?.answer !== "none") return;
  current.answer = "streaming";
  life.effects.push({ type: "openStream", contentType });
}

export function onResponseDone(life: Life, { start, end }: Input<"responseDone">): void {
  const current = answering(life.state, start);
  if (current === undefined) return;
  move(life, "sent");
  takeResponse(life, current, end);
}

/** The invocation whose answer is being read. */
function answering({ start, phase, runtime, current }: LifecycleState, of: number): RunningInvocation | undefined {
  const isAnswering = runtime.state === "InvocationResponse" || runtime.state === "InvocationErrorResponse";
  return start === of && phase === "Invoking" && isAnswering ? current : undefined;
}

export function onInitErrorBegun(life: Life): Verdict {
  return move(life, "initError");
}

export function onRuntimePollGone({ state }: Life, start: number): void {
  if (start === state.start && state.runtime.polls > 0) state.runtime.polls -= 1;
}
