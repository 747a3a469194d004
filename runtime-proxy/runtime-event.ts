import type { Invocation } from "./invocation-api/invocation.ts";
import type { RuntimeEvent } from "./runtime-api/runtime-session.ts";

/** The answer to the runtime's `next`; a header whose value is empty is left out. Source: emulator rapi/rendering. */
export function runtimeEvent(invocation: Invocation, deadlineMs: number): RuntimeEvent {
  const { requestId, functionArn, traceId, clientContext, contentType, payload } = invocation;
  const values: Readonly<Record<string, string>> = {
    "Lambda-Runtime-Aws-Request-Id": requestId,
    "Lambda-Runtime-Deadline-Ms": String(Math.trunc(deadlineMs)),
    "Lambda-Runtime-Invoked-Function-Arn": functionArn,
    "Lambda-Runtime-Trace-Id": isComplete(traceId) ? traceId : "",
    "Lambda-Runtime-Client-Context": clientContext === undefined ? "" : headerText(clientContext),
    "Content-Type": contentType,
  };
  const headers = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
  return { requestId, headers, payload };
}

/** A trace without a root or a sampling decision is of no use to a client. */
function isComplete(traceId: string | undefined): traceId is string {
  return traceId !== undefined && /(^|;)\s*Root=/.test(traceId) && /(^|;)\s*Sampled=[01]/.test(traceId);
}

/** Base64 of JSON as a header value: its bytes one to one, line breaks as spaces. */
function headerText(base64: string): string {
  const bytes = Buffer.from(base64, "base64").toString("latin1");
  return bytes.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, " ").trim();
}
