/** Answers of the Runtime and the Extensions API, word for word. Source: emulator rapi/rendering. */
import { MAX_PAYLOAD_BYTES } from "../domain/function-error.ts";
import { MAX_STREAM_BYTES } from "../domain/stream-budget.ts";
import type { AgentResponse } from "./exchange.ts";
import type { LifecycleRefusal } from "../domain/lifecycle/verdict.ts";

export const accepted: AgentResponse = jsonAnswer(202, { status: "OK" });
export const notFound: AgentResponse = { status: 404, body: "404 page not found\n" };
export const methodNotAllowed: AgentResponse = { status: 405, body: "" };

export const payloadTooLarge = tooLarge(MAX_PAYLOAD_BYTES);
export const streamTooLarge = tooLarge(MAX_STREAM_BYTES);
export const truncated = errorAnswer(400, "TruncatedHTTPRequest", "HTTP request detected as truncated");
export const invalidResponseMode = errorAnswer(400, "InvalidFunctionResponseMode", "Invalid function response mode");
export const internalError = errorAnswer(500, "InternalServerError", "Internal Server Error");
const invalidRequestId = errorAnswer(400, "InvalidRequestID", "Invalid request ID");

export function refusalAnswer(refusal: LifecycleRefusal): AgentResponse {
  switch (refusal.code) {
    case "InvalidRequestID":
      return invalidRequestId;
    case "Unavailable":
      return internalError;
    default:
      return errorAnswer(403, refusal.code, refusal.message);
  }
}

function tooLarge(limitBytes: number): AgentResponse {
  return errorAnswer(413, "RequestEntityTooLarge", `Exceeded maximum allowed payload size (${limitBytes} bytes).`);
}

export function errorAnswer(status: number, errorType: string, errorMessage: string): AgentResponse {
  return jsonAnswer(status, { errorMessage, errorType });
}

export function jsonAnswer(
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): AgentResponse {
  return { status, headers: { "Content-Type": "application/json", ...headers }, body: `${JSON.stringify(value)}\n` };
}
