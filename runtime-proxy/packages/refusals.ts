/** Answers of the package store's server that are no answer of the store itself. */
import { jsonResponse, type HttpResponse } from "../../lib/http/handler.ts";

type RefusalCode =
  "Unauthorized" | "Forbidden" | "NotFound" | "MethodNotAllowed" | "BadRequest" | "BodyTooLarge" | "TooManyUploads";
const refusalStatus = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  BadRequest: 400,
  BodyTooLarge: 413,
  TooManyUploads: 429,
} as const satisfies Record<RefusalCode, number>;

export function refuseToken(reason: string): HttpResponse {
  return refusal("Unauthorized", `Cannot tell who asks: ${reason}`, { "www-authenticate": "Bearer" });
}

export function refuseMethod(method: string, path: string, allow: string): HttpResponse {
  return refusal("MethodNotAllowed", `Cannot ${method} "${path}": only ${allow}`, { allow });
}

export function refusal(
  code: RefusalCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return jsonResponse(refusalStatus[code], { code, message }, headers);
}
