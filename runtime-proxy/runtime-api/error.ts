import { ERROR_CAUSE_CONTENT_TYPE, MAX_PAYLOAD_BYTES, withoutErrorCause } from "../domain/function-error.ts";
import type { ResponseEnd } from "../domain/lifecycle/input.ts";
import type { LifecyclePort } from "../lifecycle-port.ts";
import { accepted, payloadTooLarge, refusalAnswer, truncated } from "./answers.ts";
import { headerOf, textPayload, type AgentRequest, type AgentResponse, type Payload } from "./exchange.ts";
import { readPayload } from "./read-payload.ts";

/** POST /runtime/invocation/{id}/error: the body is the caller's payload unchanged, whatever it is. */
export async function postError(
  lifecycle: LifecyclePort,
  request: AgentRequest,
  requestId: string,
): Promise<AgentResponse> {
  const { start } = lifecycle;
  const verdict = lifecycle.tell({ type: "responseBegun", call: "error", requestId, hasInvalidMode: false });
  if (!verdict.ok) return refusalAnswer(verdict.refusal);
  const done = (end: ResponseEnd): void => void lifecycle.tell({ type: "responseDone", start, end });
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  switch (read.kind) {
    case "whole":
      done({ kind: "whole", answer: { isFunctionError: true, ...errorBody(request, read.payload) } });
      return accepted;
    case "tooLarge":
      done({ kind: "tooLarge" });
      await read.drained;
      return payloadTooLarge;
    case "truncated":
      done({ kind: "truncated" });
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
