import { ERROR_CAUSE_CONTENT_TYPE, MAX_PAYLOAD_BYTES, withoutErrorCause } from "../domain/function-error.ts";
import { accepted, payloadTooLarge, refusalAnswer, truncated } from "./answers.ts";
import { headerOf, textPayload, type AgentRequest, type AgentResponse, type Payload } from "./exchange.ts";
import { readPayload } from "./read-payload.ts";
import { failedAnswer, tooLargeAnswer, truncatedError } from "./response.ts";
import type { RuntimeSession } from "./runtime-session.ts";

/** POST /runtime/invocation/{id}/error: the body is the caller's payload unchanged, whatever it is. */
export async function postError(
  session: RuntimeSession,
  request: AgentRequest,
  requestId: string,
): Promise<AgentResponse> {
  const refusal = session.beginAnswer("error", requestId);
  if (refusal !== undefined) return refusalAnswer(refusal);
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  switch (read.kind) {
    case "whole":
      session.completeAnswer({ kind: "answered", isFunctionError: true, ...errorBody(request, read.payload) });
      return accepted;
    case "tooLarge":
      session.completeAnswer(tooLargeAnswer);
      await read.drained;
      return payloadTooLarge;
    case "truncated":
      session.completeAnswer(failedAnswer(truncatedError));
      return truncated;
  }
}

interface ErrorBody {
  readonly payload: Payload;
  readonly contentType: string;
}

function errorBody(request: AgentRequest, payload: Payload): ErrorBody {
  const contentType = headerOf(request, "content-type") ?? "application/json";
  if (payload.bytes === 0) return builtErrorBody(request);
  if (contentType !== ERROR_CAUSE_CONTENT_TYPE) return { payload, contentType };
  const error = withoutErrorCause(Buffer.concat(payload.chunks, payload.bytes).toString());
  return error === undefined
    ? { payload: textPayload('"Invalid error body"'), contentType: "application/octet-stream" }
    : { payload: textPayload(error), contentType: "application/json" };
}

/** Without a body the type header is all there is to tell. Source: .NET client, runtime-api.yaml. */
export function builtErrorBody(request: AgentRequest): ErrorBody {
  const errorType = headerOf(request, "lambda-runtime-function-error-type") ?? "Runtime.Unknown";
  const errorMessage = "Unknown application error occurred";
  return { payload: textPayload(JSON.stringify({ errorType, errorMessage })), contentType: "application/json" };
}
