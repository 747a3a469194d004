import { isDeepStrictEqual } from "node:util";
import type { CallPlan } from "./call-plan.ts";

/** What came back for one call; `error`: no whole answer did. */
export type Outcome =
  | {
      readonly status: number;
      readonly requestId: string | undefined;
      readonly functionError: string | undefined;
      /** `x-amzn-errortype`. */
      readonly errorCode: string | undefined;
      readonly body: string;
    }
  | { readonly error: string };

/** What one function's calls may come to, beside what they ask for. */
export interface Allowance {
  /** Of the error that a handler throws when it is asked to. */
  readonly thrown: string;
  /** Types of function errors that its code of this moment may give. */
  readonly functionErrors: readonly string[];
  /** Types of function errors that a fault explains; of `Runtime.ExitError` a kill alone. */
  readonly functionFaults: readonly string[];
  /** Codes of service errors that a fault explains. */
  readonly serviceErrors: readonly string[];
  /** Whether a call may end without an answer, since what answers is itself killed. */
  readonly mayBreak: boolean;
  /** Faults that the call met, for the report. */
  readonly meanwhile?: readonly string[];
}

/** `fault`: a documented error that only a fault explains. `unexpected`: an error that nothing explains. `wrong`: not this call's answer. */
export type Verdict =
  | { readonly kind: "right"; readonly name: string; readonly version?: number }
  | { readonly kind: "fault"; readonly name: string }
  | { readonly kind: "unexpected" | "wrong"; readonly name: string; readonly why: string };

interface Answered {
  readonly event?: unknown;
  readonly version?: number;
  readonly overlap?: boolean;
  readonly errorType?: string;
  readonly errorMessage?: string;
}

export function judge({ event }: CallPlan, outcome: Outcome, allowance: Allowance): Verdict {
  if ("error" in outcome) {
    if (allowance.mayBreak) return { kind: "fault", name: "no answer" };
    return { kind: "unexpected", name: "no answer", why: outcome.error };
  }
  if (outcome.status !== 200) return judgeServiceError(outcome, allowance);
  const answered = parse(outcome.body);
  if (answered === undefined) return { kind: "wrong", name: "not JSON", why: outcome.body.slice(0, 500) };
  if (outcome.functionError !== undefined) return judgeFunctionError(event, outcome, answered, allowance);
  const why = `${JSON.stringify(event)} was answered ${outcome.body.slice(0, 500)}`;
  if (!isDeepStrictEqual(answered.event, event)) return { kind: "wrong", name: "another's answer", why };
  if (answered.overlap === true) return { kind: "wrong", name: "two at once", why };
  if (["throw", "exit", "hang"].includes(event.act)) return { kind: "wrong", name: "no error", why };
  return { kind: "right", name: "ok", ...(answered.version !== undefined && { version: answered.version }) };
}

type Whole = Exclude<Outcome, { readonly error: string }>;

function judgeServiceError({ status, errorCode, requestId, body }: Whole, { serviceErrors }: Allowance): Verdict {
  const name = `service error ${errorCode ?? `of status ${status}`}`;
  const named = /RequestId: ([0-9a-f-]{36})/.exec(body)?.[1];
  if (named !== undefined && named !== requestId) return { kind: "wrong", name: "another's error", why: body };
  if (errorCode !== undefined && serviceErrors.includes(errorCode)) return { kind: "fault", name };
  return { kind: "unexpected", name, why: `status ${status}: ${body.slice(0, 500)}` };
}

const wasKilled = /^Runtime exited (with error: signal: killed|without providing a reason)$/;

function judgeFunctionError(
  { call, act }: CallPlan["event"],
  { body, requestId }: Whole,
  { errorType = "", errorMessage = "" }: Answered,
  { thrown, functionErrors, functionFaults }: Allowance,
): Verdict {
  const name = `function error ${errorType}`;
  const why = `a call to ${act} was answered ${body.slice(0, 500)}`;
  if (errorType === thrown) {
    const isOwn = act === "throw" && errorMessage === `call ${call}`;
    return isOwn ? { kind: "right", name } : { kind: "wrong", name: "another's error", why: `call ${call}: ${why}` };
  }
  if (functionErrors.includes(errorType)) return { kind: "right", name };
  const ours = `RequestId: ${requestId ?? ""} Error: `;
  if (errorMessage.startsWith("RequestId: ") && !errorMessage.startsWith(ours)) {
    return { kind: "wrong", name: "another's error", why: `request "${requestId ?? ""}": ${why}` };
  }
  if (act === "hang" && errorType === "Sandbox.Timedout") return { kind: "right", name };
  if (act === "exit" && errorMessage === `${ours}Runtime exited with error: exit status 3`) {
    return { kind: "right", name };
  }
  const isKill = errorType === "Runtime.ExitError" && wasKilled.test(errorMessage.slice(ours.length));
  const fullName = isKill ? `${name}, killed` : name;
  const isExplained = functionFaults.includes(errorType) && (isKill || errorType !== "Runtime.ExitError");
  return isExplained ? { kind: "fault", name: fullName } : { kind: "unexpected", name: fullName, why };
}

function parse(body: string): Answered | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === "object" && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}
