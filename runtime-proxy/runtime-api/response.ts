import { MAX_PAYLOAD_BYTES, responseTooLargePayload, type PlatformError } from "../domain/function-error.ts";
import { accepted, invalidResponseMode, payloadTooLarge, refusalAnswer, truncated } from "./answers.ts";
import { headerOf, textPayload, type AgentRequest, type AgentResponse, type Payload } from "./exchange.ts";
import { readPayload } from "./read-payload.ts";
import type { RuntimeAnswer, RuntimeSession } from "./runtime-session.ts";

const emptyPayload: Payload = { chunks: [], bytes: 0 };

/** The answer cannot be used, and `rejectAnswer` says why. */
export const truncatedError: PlatformError = {
  errorType: "Runtime.TruncatedResponse",
  message: "Response was cut off before its end",
};
const responseModeError: PlatformError = {
  errorType: "Runtime.InvalidResponseModeHeader",
  message: "Response mode is not streaming",
};

export const tooLargeAnswer: RuntimeAnswer = {
  kind: "answered",
  payload: textPayload(responseTooLargePayload),
  contentType: "application/json",
  isFunctionError: true,
};

/** POST /runtime/invocation/{id}/response: the body in whatever form it comes is the payload; a stream is collected whole. */
export async function postResponse(
  session: RuntimeSession,
  request: AgentRequest,
  requestId: string,
): Promise<AgentResponse> {
  const refusal = session.beginAnswer("response", requestId);
  if (refusal !== undefined) return refusalAnswer(refusal);
  const mode = headerOf(request, "lambda-runtime-function-response-mode");
  if (mode !== undefined && mode !== "streaming") {
    session.rejectAnswer(failedAnswer(responseModeError, emptyPayload));
    return invalidResponseMode;
  }
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  switch (read.kind) {
    case "whole":
      session.completeAnswer(wholeAnswer(request, read.payload));
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

/** An answer that stands for a failure; without a payload the platform's own is built later, when the request id is at hand. */
export function failedAnswer(error: PlatformError, payload: Payload = emptyPayload): RuntimeAnswer {
  return { kind: "answered", payload, isFunctionError: true, error };
}

function wholeAnswer(request: AgentRequest, payload: Payload): RuntimeAnswer {
  const failure = trailerError(request.trailers());
  if (failure !== undefined) return failure;
  const contentType = headerOf(request, "content-type");
  return { kind: "answered", payload, isFunctionError: false, ...(contentType !== undefined && { contentType }) };
}

/** Announced but empty trailers (Go, Rust) mean success. */
function trailerError(trailers: Readonly<Record<string, string | undefined>>): RuntimeAnswer | undefined {
  const errorType = trailers["lambda-runtime-function-error-type"] ?? "";
  const body = Buffer.from(trailers["lambda-runtime-function-error-body"] ?? "", "base64").toString();
  if (errorType === "" && body === "") return undefined;
  const payload = textPayload(body === "" ? JSON.stringify({ errorType, errorMessage: "" }) : body);
  return { kind: "answered", payload, contentType: "application/json", isFunctionError: true };
}
