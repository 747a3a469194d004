import type { Invocation } from "./invocation-api/invocation.ts";
import type { HandedEvent } from "./lifecycle-port.ts";
import type { ShutdownReason } from "./domain/extension-state.ts";
import { textPayload } from "./runtime-api/exchange.ts";

/** The answer to the runtime's `next`; a header whose value is empty is left out. Source: emulator rapi/rendering. */
export function runtimeEvent(invocation: Invocation, deadlineMs: number): HandedEvent {
  const { requestId, functionArn, traceId, clientContext, tenantId = "", contentType, payload } = invocation;
  const trace = completeTrace(traceId) ?? "";
  const context = clientContext === undefined ? "" : headerText(clientContext);
  const headers = {
    ...(requestId !== "" && { "Lambda-Runtime-Aws-Request-Id": requestId }),
    "Lambda-Runtime-Deadline-Ms": String(Math.trunc(deadlineMs)),
    ...(functionArn !== "" && { "Lambda-Runtime-Invoked-Function-Arn": functionArn }),
    ...(trace !== "" && { "Lambda-Runtime-Trace-Id": trace }),
    ...(context !== "" && { "Lambda-Runtime-Client-Context": context }),
    ...(tenantId !== "" && { "Lambda-Runtime-Aws-Tenant-Id": tenantId }),
    ...(contentType !== "" && { "Content-Type": contentType }),
  };
  return { headers, payload };
}

/** The payload of the invocation is not for extensions. Source: developer guide, runtimes-extensions-api. */
export function invokeEvent(invocation: Invocation, deadlineMs: number): object {
  const { requestId, functionArn, traceId } = invocation;
  const value = completeTrace(traceId);
  return {
    eventType: "INVOKE",
    deadlineMs: Math.trunc(deadlineMs),
    requestId,
    invokedFunctionArn: functionArn,
    ...(value !== undefined && { tracing: { type: "X-Amzn-Trace-Id", value } }),
  };
}

export function shutdownEvent(shutdownReason: ShutdownReason, deadlineMs: number): object {
  return { eventType: "SHUTDOWN", deadlineMs: Math.trunc(deadlineMs), shutdownReason };
}

/** `eventId`: of this hand-out to this extension; a SHUTDOWN has none. */
export function extensionEvent(event: object, extensionId: string, eventId?: string): HandedEvent {
  return {
    headers: {
      "Content-Type": "application/json",
      "Lambda-Extension-Identifier": extensionId,
      ...(eventId !== undefined && { "Lambda-Extension-Event-Identifier": eventId }),
    },
    payload: textPayload(JSON.stringify(event)),
  };
}

/** A trace without a root or a sampling decision is of no use to a client. */
export function completeTrace(traceId: string | undefined): string | undefined {
  if (traceId === undefined || !/(^|;)\s*Root=/.test(traceId)) return undefined;
  return /(^|;)\s*Sampled=[01]/.test(traceId) ? traceId : undefined;
}

/** Base64 of JSON as a header value: its bytes one to one, line breaks as spaces. */
function headerText(base64: string): string {
  const bytes = Buffer.from(base64, "base64").toString("latin1");
  return bytes.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, " ").trim();
}
