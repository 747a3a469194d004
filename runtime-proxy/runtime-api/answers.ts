/** The Runtime API's answers, word for word. Source: emulator rapi/rendering. */
import { MAX_PAYLOAD_BYTES } from "../domain/function-error.ts";
import type { AgentResponse } from "./exchange.ts";
import type { CallRefusal } from "./runtime-session.ts";

export const accepted: AgentResponse = json(202, { status: "OK" });
export const notFound: AgentResponse = { status: 404, body: "404 page not found\n" };
export const methodNotAllowed: AgentResponse = { status: 405, body: "" };

export const payloadTooLarge = errorAnswer(
  413,
  "RequestEntityTooLarge",
  `Exceeded maximum allowed payload size (${MAX_PAYLOAD_BYTES} bytes).`,
);
export const truncated = errorAnswer(400, "TruncatedHTTPRequest", "HTTP request detected as truncated");
export const invalidResponseMode = errorAnswer(400, "InvalidFunctionResponseMode", "Invalid function response mode");
export const internalError = errorAnswer(500, "InternalServerError", "Internal Server Error");
const invalidRequestId = errorAnswer(400, "InvalidRequestID", "Invalid request ID");

export function refusalAnswer(refusal: CallRefusal): AgentResponse {
  return refusal.code === "InvalidRequestID" ? invalidRequestId : errorAnswer(403, refusal.code, refusal.message);
}

function errorAnswer(status: number, errorType: string, errorMessage: string): AgentResponse {
  return json(status, { errorMessage, errorType });
}

function json(status: number, value: object): AgentResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(value)}\n` };
}
