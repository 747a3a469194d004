import { normalizeErrorType, platformErrorPayload, timeoutError, type PlatformError } from "./domain/function-error.ts";
import type { InvocationStatus } from "./domain/log-lines.ts";
import type { InvocationAnswer } from "./invocation-api/invocation.ts";
import { textPayload } from "./runtime-api/exchange.ts";
import type { InitErrorReport, RuntimeAnswer, SessionEnd } from "./runtime-api/runtime-session.ts";

/** How an invocation ended: the runtime answered, its init inside the invocation failed, or its process was of no more use. */
export type InvocationEnd = RuntimeAnswer | InitErrorReport | SessionEnd;

export interface ToldOutcome {
  readonly answer: InvocationAnswer;
  readonly status: InvocationStatus;
}

/** What the caller is told and what the REPORT line says: a handler's error is a success of the platform. */
export function tellOutcome(end: InvocationEnd, requestId: string, timeoutSeconds: number): ToldOutcome {
  switch (end.kind) {
    case "answered":
      return tellAnswer(end, requestId);
    case "reported":
      return {
        answer: { payload: end.payload, contentType: end.contentType, isFunctionError: true },
        status: { status: "error", errorType: normalizeErrorType(end.errorType) },
      };
    case "failed":
      return tellPlatformError(end.error, requestId);
    case "timeout":
      return { ...tellPlatformError(timeoutError(timeoutSeconds), requestId), status: { status: "timeout" } };
  }
}

function tellAnswer(
  { payload, contentType = "application/json", isFunctionError, error }: RuntimeAnswer,
  requestId: string,
): ToldOutcome {
  if (error === undefined) return { answer: { payload, contentType, isFunctionError }, status: { status: "success" } };
  if (error.errorType !== "Runtime.InvalidResponseModeHeader") return tellPlatformError(error, requestId);
  // The one failure that Lambda answers with nothing at all.
  const status = { status: "error", errorType: error.errorType } as const;
  return { answer: { payload, contentType, isFunctionError: true }, status };
}

function tellPlatformError(error: PlatformError, requestId: string): ToldOutcome {
  const payload = textPayload(platformErrorPayload(error, requestId));
  return {
    answer: { payload, contentType: "application/json", isFunctionError: true },
    status: { status: "error", errorType: error.errorType },
  };
}

const readableReportBytes = 64 * 1024;

/** A failed init in the words of conditions and events: bounded, with what the runtime said about it. */
export function summarizeInitFailure(
  end: InitErrorReport | SessionEnd,
  limitMs: number,
): { readonly errorType: string; readonly errorMessage: string } {
  switch (end.kind) {
    case "timeout":
      return {
        errorType: "Sandbox.Timedout",
        errorMessage: `Init timed out after ${(limitMs / 1000).toFixed(2)} seconds`,
      };
    case "failed":
      return { errorType: end.error.errorType, errorMessage: end.error.message.slice(0, 8192) };
    case "reported": {
      const { errorType, errorMessage } = readReport(end);
      return {
        errorType: (errorType ?? end.errorType ?? "Runtime.Unknown").slice(0, 1024),
        errorMessage: (errorMessage ?? "The runtime reported a failed init").slice(0, 8192),
      };
    }
  }
}

function readReport({ payload }: InitErrorReport): { errorType?: string; errorMessage?: string } {
  if (payload.bytes > readableReportBytes) return {};
  try {
    const report = JSON.parse(Buffer.concat(payload.chunks, payload.bytes).toString()) as Record<
      string,
      unknown
    > | null;
    const { errorType, errorMessage } = report ?? {};
    return {
      ...(typeof errorType === "string" && { errorType }),
      ...(typeof errorMessage === "string" && { errorMessage }),
    };
  } catch {
    return {};
  }
}
