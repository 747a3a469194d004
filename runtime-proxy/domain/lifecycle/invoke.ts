/** The invoke phase: one event, one answer, and everybody's `next`. */
import type { CallerAnswer, Outcome, StreamEnd } from "./effect.ts";
import type { PlatformError } from "../function-error.ts";
import type { ResponseEnd, WholeAnswer } from "./input.ts";
import { cancelTimers, deliver, failureError, failureOutcome, goOn, setTimer, type Life } from "./life.ts";
import type { Failure, InitErrorReport, LifecycleState, RunningInvocation } from "./state.ts";

/** How long a process that broke its answer off may take to be seen ended. */
const causeLimitMs = 500;

export const truncatedError: PlatformError = {
  errorType: "Runtime.TruncatedResponse",
  message: "Response was cut off before its end",
};
export const responseModeError: PlatformError = {
  errorType: "Runtime.InvalidResponseModeHeader",
  message: "Response mode is not streaming",
};

/** The queued invocation has the environment from now on. */
export function beginInvocation({ state, effects }: Life): void {
  if (state.queued === undefined) return;
  const { requestId, isStreamed } = state.queued;
  state.queued = undefined;
  state.current = {
    requestId,
    isStreamed,
    isHandedOut: false,
    answer: "none",
    isDoubtful: false,
    isRuntimeDone: false,
    failure: undefined,
  };
  effects.push({ type: "begin" });
}

/** To the runtime and all INVOKE subscribers at the same moment; an init in its time has begun the deadline before. */
export function handOut(life: Life, current: RunningInvocation): void {
  const { state, effects } = life;
  cancelTimers(life, "ask");
  goOn(life);
  state.phase = "Invoking";
  state.runtime.state = "Running";
  current.isHandedOut = true;
  if (!state.timers.includes("deadline")) setTimer(life, "deadline", state.rules.timeoutMs);
  effects.push({ type: "tellStart" });
  deliverToRuntime(life);
  for (const extension of state.extensions) {
    if (extension.events.includes("INVOKE")) deliver(life, extension, "INVOKE");
  }
}

export function deliverToRuntime({ state, effects }: Life): void {
  if (state.runtime.polls === 0) return;
  state.runtime.polls = 0;
  effects.push({ type: "deliver" });
}

/** The answer has been read to its end, or given up. */
export function takeResponse(life: Life, current: RunningInvocation, end: ResponseEnd): void {
  switch (end.kind) {
    case "whole":
      give(life, current, { answer: { kind: "whole", ...end.answer }, end: { end: "Complete" } });
      return;
    case "streamed":
      give(life, current, { answer: emptyAnswer, end: { end: "Complete", ...end.failure } });
      return;
    case "tooLarge":
      give(life, current, {
        answer: { kind: "tooLarge" },
        end: { end: "Oversized", errorType: "Function.ResponseSizeTooLarge" },
      });
      return;
    case "truncated":
      // A body breaks off when its process ends: that is then the first cause, told a moment later.
      current.isDoubtful = true;
      setTimer(life, "cause", causeLimitMs);
  }
}

const emptyAnswer: CallerAnswer & WholeAnswer = {
  kind: "whole",
  payload: { chunks: [], bytes: 0 },
  contentType: "application/octet-stream",
  isFunctionError: false,
};

/** The process lives on: the answer itself was at fault. */
export function settleDoubt(life: Life): void {
  const { current } = life.state;
  if (current?.isDoubtful !== true) return;
  cancelTimers(life, "cause");
  current.isDoubtful = false;
  current.failure = truncatedError;
  give(life, current, {
    answer: { kind: "error", error: truncatedError },
    end: { end: "Truncated", errorType: truncatedError.errorType, error: truncatedError },
  });
}

/** Its caller is told nothing but that it failed; the runtime stays where only its end helps. */
export function rejectResponseMode(life: Life, current: RunningInvocation): void {
  current.failure = responseModeError;
  const { errorType } = responseModeError;
  give(life, current, { answer: { kind: "nothing" }, end: { end: "Truncated", errorType } });
}

interface Given {
  readonly answer: CallerAnswer;
  /** For a caller who has the beginning already. */
  readonly end: StreamEnd;
  readonly outcome?: Outcome;
}

function give(
  { effects }: Life,
  current: RunningInvocation,
  { answer, end, outcome = outcomeOf(current) }: Given,
): void {
  if (current.answer === "streaming") effects.push({ type: "closeStream", end, outcome });
  else if (current.answer === "none") effects.push({ type: "answer", answer, outcome });
  current.answer = "given";
}

/** The runtime and every INVOKE subscriber have asked for what comes next. */
export function isInvocationOver({ current, extensions, ended }: LifecycleState): boolean {
  if (current?.answer !== "given" || !current.isRuntimeDone || ended !== undefined) return false;
  return extensions.every(
    ({ events, state, pending }) => !events.includes("INVOKE") || (state === "Ready" && pending === undefined),
  );
}

export function tellRuntimeDone({ state, effects }: Life): void {
  const { current } = state;
  if (current === undefined) return;
  current.isRuntimeDone = true;
  effects.push({ type: "tellRuntimeDone", outcome: outcomeOf(current) });
}

export function reportInvocation(life: Life): void {
  const { state, effects } = life;
  const { current } = state;
  if (current === undefined || state.isReporting) return;
  cancelTimers(life, "deadline");
  state.isReporting = true;
  effects.push({ type: "report", outcome: outcomeOf(current) });
}

function outcomeOf({ failure }: RunningInvocation): Outcome {
  return failure === undefined ? { status: "success" } : { status: "error", errorType: failure.errorType };
}

/** Who has no answer gets the reason; what the log says of the invocation is said. */
export function failInvocation(life: Life, failure: Failure): void {
  const { state, effects } = life;
  const { current } = state;
  if (current === undefined || state.isReporting) return;
  cancelTimers(life, "deadline", "cause");
  if (!current.isHandedOut) effects.push({ type: "tellStart" });
  const outcome = current.failure === undefined ? failureOutcome(failure) : outcomeOf(current);
  answerFailure(life, current, { failure, outcome });
  if (!current.isRuntimeDone) effects.push({ type: "tellRuntimeDone", outcome });
  current.isRuntimeDone = true;
  state.isReporting = true;
  effects.push({ type: "report", outcome });
}

function answerFailure(
  life: Life,
  current: RunningInvocation,
  { failure, outcome }: { readonly failure: Failure; readonly outcome: Outcome },
): void {
  const { state, effects } = life;
  if (failure.kind === "reported") {
    give(life, current, { answer: reportedAnswer(failure.report), end: { end: "Truncated" }, outcome });
    return;
  }
  const error = failureError(state, failure);
  if (current.failure === undefined) effects.push({ type: "tellFault", error });
  const kept = failure.kind === "error" && !current.isHandedOut ? state.keptInitError : undefined;
  const answer: CallerAnswer = kept === undefined ? { kind: "error", error } : reportedAnswer(kept);
  const errorType = failure.kind === "timeout" ? "Sandbox.Timeout" : "Sandbox.Failure";
  give(life, current, { answer, end: { end: "Truncated", errorType, error }, outcome });
}

function reportedAnswer({ payload, contentType }: InitErrorReport): CallerAnswer {
  return { kind: "whole", payload, contentType, isFunctionError: true };
}
