import { jsonResponse, type HttpResponse } from "../../lib/http/handler.ts";
import type { AccessError } from "../access/access-error.ts";
import { accessErrorStatus } from "../access/access-error.ts";
import type { ThrottleReason } from "../domain/concurrency.ts";

/** Error code → HTTP status: everything that this API answers besides results. Source: Lambda API model, Invoke. */
export const invokeErrorStatus = {
  ...accessErrorStatus,
  InvalidParameterValueException: 400,
  ValidationException: 400,
  InvalidRequestContentException: 400,
  RecursiveInvocationException: 400,
  AccessDeniedException: 403,
  ResourceNotFoundException: 404,
  UnknownOperationException: 404,
  RequestTimeoutException: 408,
  ResourceConflictException: 409,
  RequestTooLargeException: 413,
  SerializedRequestEntityTooLargeException: 413,
  TooManyRequestsException: 429,
  ServiceException: 500,
  InvalidRuntimeException: 502,
  InvalidZipFileException: 502,
  ResourceNotReadyException: 502,
} as const;

export type InvokeErrorCode = keyof typeof invokeErrorStatus;

/** Codes whose body says `Message`, not `message`. Source: Lambda API model. */
const capitalMessage: ReadonlySet<InvokeErrorCode> = new Set([
  "AccessDeniedException",
  "ResourceNotFoundException",
  "ServiceException",
  "RecursiveInvocationException",
  "InvalidRuntimeException",
  "InvalidZipFileException",
]);
/** Codes whose body has no `Type`. Source for those of credentials: the length of the answer in erlcloud/erlcloud#690. */
const withoutType: ReadonlySet<InvokeErrorCode> = new Set([
  "ValidationException",
  "UnknownOperationException",
  "MissingAuthenticationTokenException",
  "IncompleteSignatureException",
  "InvalidSignatureException",
  "UnrecognizedClientException",
  "ExpiredTokenException",
  "AccessDeniedException",
]);

export interface InvokeErrorOptions {
  /** Of a throttled call. */
  readonly reason?: ThrottleReason | "CallerRateLimitExceeded";
  /** For the log, never for the caller. */
  readonly cause?: unknown;
}

/** A refusal that the caller is told, as the Lambda API tells it. */
export class InvokeError extends Error {
  override readonly name = "InvokeError";
  readonly code: InvokeErrorCode;
  readonly reason: InvokeErrorOptions["reason"];

  constructor(code: InvokeErrorCode, message: string, { reason, cause }: InvokeErrorOptions = {}) {
    super(message, { cause });
    this.code = code;
    this.reason = reason;
  }
}

/** A caller who is not let in. */
export function toInvokeError(error: AccessError): InvokeError {
  const { code, message, cause } = error;
  const isThrottled = code === "TooManyRequestsException";
  return new InvokeError(code, message, { cause, ...(isThrottled && { reason: "CallerRateLimitExceeded" }) });
}

/** The answer that carries an error: member casing, `Type` and `Reason` as recorded from Lambda. */
export function errorResponse(error: InvokeError, requestId: string): HttpResponse {
  const { code, reason, message } = error;
  const status = invokeErrorStatus[code];
  const body = {
    ...(reason !== undefined && { Reason: reason }),
    ...(!withoutType.has(code) && { Type: status < 500 ? "User" : "Service" }),
    [capitalMessage.has(code) ? "Message" : "message"]: message,
  };
  return jsonResponse(status, body, {
    "x-amzn-errortype": code,
    "x-amzn-requestid": requestId,
    ...(code === "TooManyRequestsException" && { "retry-after": "1" }),
  });
}

/** A throttled call, in Lambda's words. */
export function throttled(reason: ThrottleReason, cause?: Error): InvokeError {
  return new InvokeError("TooManyRequestsException", "Rate Exceeded.", { reason, cause });
}

/** No room for a request's body. Lambda has no such limit: told with the one `Reason` that blames neither a function nor its account's concurrency. */
export function bodyMemoryFull(cause: Error): InvokeError {
  const message =
    "Cannot take in the request: all of the router's memory for request bodies is in use, or its account's share (chart value router.bodyMemoryBytes); try again";
  return new InvokeError("TooManyRequestsException", message, { reason: "CallerRateLimitExceeded", cause });
}
