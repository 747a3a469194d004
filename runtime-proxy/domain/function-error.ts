/** Payloads that the platform builds when the runtime gave none. Source: Lambda recordings, emulator interop/model.go. */
import type { ProcessExit, StartErrorCode } from "../../crds/wire/supervisor.ts";

export type PlatformErrorType =
  | "Runtime.ExitError"
  | "Runtime.OutOfMemory"
  | "Runtime.InvalidEntrypoint"
  | "Runtime.InvalidWorkingDir"
  | "Runtime.InvalidResponseModeHeader"
  | "Runtime.TruncatedResponse"
  | "Runtime.Unknown"
  | "Sandbox.Timedout"
  | "Sandbox.Failure"
  | "Function.ResponseSizeTooLarge"
  | "Extension.LaunchError"
  | "Extension.InitError"
  | "Extension.ExitError"
  | "Extension.Crash";

export interface PlatformError {
  readonly errorType: PlatformErrorType;
  /** Without the `RequestId: … Error: ` in front. */
  readonly message: string;
}

/** Largest payload of a buffered invocation in either direction, bytes: 6 MiB + 100. Source: emulator interop/model.go. */
export const MAX_PAYLOAD_BYTES = 6_291_556;

/** `errorType` first and exactly two members, as recorded from Lambda. */
export function platformErrorPayload({ errorType, message }: PlatformError, requestId: string): string {
  return JSON.stringify({ errorType, errorMessage: `RequestId: ${requestId} Error: ${message}` });
}

/** Payload for an answer over MAX_PAYLOAD_BYTES: here `errorMessage` comes first and names no request. */
export const responseTooLargePayload = JSON.stringify({
  errorMessage: `Response payload size exceeded maximum allowed payload size (${MAX_PAYLOAD_BYTES} bytes).`,
  errorType: "Function.ResponseSizeTooLarge",
});

export function timeoutError(timeoutSeconds: number): PlatformError {
  return { errorType: "Sandbox.Timedout", message: `Task timed out after ${timeoutSeconds.toFixed(2)} seconds` };
}

/** How an ended runtime process is told to the caller; the end of its whole container counts as a kill. */
export function exitError(exit: Omit<ProcessExit, "process">): PlatformError {
  const errorType = exit.outOfMemory ? "Runtime.OutOfMemory" : "Runtime.ExitError";
  if (exit.signal !== undefined) return { errorType, message: `Runtime exited with error: signal: ${exit.signal}` };
  if (exit.status !== undefined && exit.status !== 0) {
    return { errorType, message: `Runtime exited with error: exit status ${exit.status}` };
  }
  return { errorType, message: "Runtime exited without providing a reason" };
}

export function startError(error: { readonly code: StartErrorCode; readonly message: string }): PlatformError {
  const errorType = error.code === "InvalidWorkingDir" ? "Runtime.InvalidWorkingDir" : "Runtime.InvalidEntrypoint";
  return { errorType, message: error.message };
}

/** For platform logs and conditions only, never for a payload. Source: emulator fatalerror/fatalerror.go. */
export function normalizeErrorType(type: string | undefined): string {
  const known = /(?:Runtime|Function)\.[A-Z][a-zA-Z]{1,200}/.exec(type ?? "")?.[0];
  if (known !== undefined) return known;
  return type?.startsWith("Function.") === true ? "Function.Unknown" : "Runtime.Unknown";
}

/** Content type of an error body that carries an `errorCause` for the trace beside the error. */
export const ERROR_CAUSE_CONTENT_TYPE = "application/vnd.aws.lambda.error.cause+json";

/** The error without its `errorCause`, as JSON; undefined when the body is no JSON object. Source: emulator invocationerror.go. */
export function withoutErrorCause(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
    return JSON.stringify(Object.fromEntries(Object.entries(parsed).filter(([name]) => name !== "errorCause")));
  } catch {
    return undefined;
  }
}
