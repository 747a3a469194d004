import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import type { PlacementRefusal } from "../ownership/placement.ts";
import { InvokeError, throttled, type InvokeErrorCode } from "./errors.ts";

/** Reason codes of failed functions that Invoke has an error of its own for; the others are ResourceNotReadyException. */
const codeOfStateReason: Readonly<Record<string, InvokeErrorCode>> = {
  InvalidRuntime: "InvalidRuntimeException",
  InvalidZipFileException: "InvalidZipFileException",
};

/** Why the function cannot be invoked as it stands, undefined when it can. */
export function stateRefusal(facts: FunctionFacts): InvokeError | undefined {
  if (facts.state === "Failed") return failed(facts);
  // A function that has code to run is invoked with that while its next one is prepared.
  if (facts.revisionID === undefined) {
    const message = `The operation cannot be performed at this time. The function is currently in the following state: ${facts.state === "Active" ? "Pending" : facts.state}`;
    return new InvokeError("ResourceConflictException", message);
  }
  return undefined;
}

function failed({ arn, stateReason, stateReasonCode = "" }: FunctionFacts): InvokeError {
  const code = codeOfStateReason[stateReasonCode] ?? "ResourceNotReadyException";
  const reason = stateReason ?? (stateReasonCode === "" ? "no reason is known" : stateReasonCode);
  return new InvokeError(code, `Cannot invoke "${arn}": the function is in state Failed: ${reason}`);
}

export interface WaitFacts {
  readonly facts: FunctionFacts;
  /** The function as it stands at the end of the wait. */
  readonly current: FunctionFacts | undefined;
  readonly failure: FunctionLoad["failure"];
  readonly waitMs: number;
  readonly requestId: string;
}

/** What a call is told that got no environment. */
export function waitRefusal(refusal: PlacementRefusal, wait: WaitFacts): InvokeError {
  switch (refusal) {
    case "queueFull":
    case "scalingRate":
      return throttled("ConcurrentInvocationLimitExceeded");
    case "functionGone":
      if (wait.current !== undefined) return new InvokeError("ResourceNotReadyException", unknownMessage(wait));
      return new InvokeError(
        "ResourceNotFoundException",
        `Function not found: ${wait.facts.arn}:${wait.facts.version}`,
      );
    case "functionFailed":
      return failed(wait.current ?? wait.facts);
    case "noOwner":
      return new InvokeError("ResourceNotReadyException", noOwnerMessage(wait));
    case "timedOut":
    case "moved":
      return new InvokeError("ResourceNotReadyException", timedOutMessage(wait));
  }
}

/** A 404 would be believed. */
function unknownMessage({ facts, requestId }: WaitFacts): string {
  return `RequestId: ${requestId} Error: Cannot invoke "${facts.arn}": the router that decides it has not heard of it yet`;
}

function noOwnerMessage({ facts, waitMs, requestId }: WaitFacts): string {
  return `RequestId: ${requestId} Error: Cannot invoke "${facts.arn}": no router that decides calls of namespace "${facts.namespace}" answered within ${waitMs} ms: they, the operator or the API server may be away`;
}

function timedOutMessage({ facts, current, failure, waitMs, requestId }: WaitFacts): string {
  const start = `RequestId: ${requestId} Error: Cannot invoke "${facts.arn}": no execution environment came free within ${waitMs} ms`;
  const trouble = current?.trouble;
  if (trouble !== undefined) return `${start}: ${trouble.reason}: ${trouble.message}`;
  if (failure !== undefined) return `${start}: ${failure.errorType}: ${failure.errorMessage}`;
  return start;
}
