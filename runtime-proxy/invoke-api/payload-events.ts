import type { StreamEnd, StreamTrailers } from "../environments/streamed-answer.ts";
import { encodeEventHeaders, encodeEventMessage, LONGEST_PAYLOAD_BYTES } from "./event-stream.ts";
import { lostMessage, type AdmittedInvocation } from "./run-invocation.ts";

/** The last event of a stream. Source: Lambda API model, InvokeWithResponseStreamCompleteEvent. */
export interface Completion {
  /** Absent: all went well. */
  readonly ErrorCode?: string;
  /** JSON of the function's error, or a text. */
  readonly ErrorDetails?: string;
  /** Base64. */
  readonly LogResult?: string;
}

const chunkHeaders = encodeEventHeaders({
  ":message-type": "event",
  ":event-type": "PayloadChunk",
  ":content-type": "application/octet-stream",
});
const completionHeaders = encodeEventHeaders({
  ":message-type": "event",
  ":event-type": "InvokeComplete",
  ":content-type": "application/json",
});

/** Usually one event: more where a message would be longer than clients take. */
export function encodeChunk(payload: Buffer): Buffer[] {
  const events = [encodeEventMessage(chunkHeaders, payload.subarray(0, LONGEST_PAYLOAD_BYTES))];
  for (let at = LONGEST_PAYLOAD_BYTES; at < payload.length; at += LONGEST_PAYLOAD_BYTES) {
    events.push(encodeEventMessage(chunkHeaders, payload.subarray(at, at + LONGEST_PAYLOAD_BYTES)));
  }
  return events;
}

export function encodeCompletion(completion: Completion): Buffer {
  return encodeEventMessage(completionHeaders, Buffer.from(JSON.stringify(completion)));
}

/** Every function error has this code, as `X-Amz-Function-Error` has it: what it was stands in the details. */
const functionErrorCode = "Unhandled";

type HeaderValue = string | string[] | undefined;

/** How a call ended whose answer came whole. */
export function completionOfAnswer(
  { functionError, logResult }: { readonly functionError: HeaderValue; readonly logResult: HeaderValue },
  body: Buffer,
): Completion {
  return {
    ...(functionError !== undefined && { ErrorCode: String(functionError), ErrorDetails: body.toString() }),
    ...(logResult !== undefined && { LogResult: String(logResult) }),
  };
}

/** How a stream ended. */
export function completionOfStream(end: StreamEnd, call: Pick<AdmittedInvocation, "requestId" | "facts">): Completion {
  if (end.kind === "lost") return { ErrorCode: "ServiceException", ErrorDetails: lostMessage(call) };
  const { endOfResponse, errorType, logResult } = end.trailers;
  const hasFailed = endOfResponse !== "Complete" || errorType !== undefined;
  return {
    ...(hasFailed && { ErrorCode: functionErrorCode, ErrorDetails: detailsOf(end.trailers) }),
    ...(logResult !== undefined && { LogResult: logResult }),
  };
}

/** What a stream without an error of its own failed by. Source: Lambda runtime API, response streaming. */
const errorTypeOfEnd: Readonly<Partial<Record<string, string>>> = {
  Truncated: "Runtime.TruncatedResponse",
  Oversized: "Function.ResponseSizeTooLarge",
};

function detailsOf({ errorBody, errorType, endOfResponse = "" }: StreamTrailers): string {
  const details = errorBody === undefined ? "" : Buffer.from(errorBody, "base64").toString();
  return details === ""
    ? JSON.stringify({ errorType: errorType ?? errorTypeOfEnd[endOfResponse] ?? endOfResponse })
    : details;
}
