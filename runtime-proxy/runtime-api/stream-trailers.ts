import type { WholeAnswer } from "../domain/lifecycle/input.ts";
import { headerOf, textPayload, type AgentRequest, type Payload } from "./exchange.ts";

/** A stream that failed on the way. */
export interface TrailerFailure {
  readonly errorType: string;
  /** Base64 of the error's JSON, as the runtime sent it; may be empty. */
  readonly errorBody: string;
}

/** Announced but empty trailers (Go, Rust) mean success. Source: developer guide, runtimes-custom. */
export function trailerFailure(trailers: Readonly<Record<string, string | undefined>>): TrailerFailure | undefined {
  const errorType = trailers["lambda-runtime-function-error-type"] ?? "";
  const errorBody = trailers["lambda-runtime-function-error-body"] ?? "";
  return errorType === "" && errorBody === "" ? undefined : { errorType, errorBody };
}

/** For a caller who takes the payload whole a failure on the way is a function error with the decoded body. */
export function wholeAnswer(request: AgentRequest, payload: Payload, failure: TrailerFailure | undefined): WholeAnswer {
  if (failure !== undefined) {
    return { payload: failurePayload(failure), contentType: "application/json", isFunctionError: true };
  }
  const contentType = headerOf(request, "content-type") ?? "application/json";
  return { payload, contentType, isFunctionError: false };
}

function failurePayload({ errorType, errorBody }: TrailerFailure): Payload {
  const body = Buffer.from(errorBody, "base64").toString();
  return textPayload(body === "" ? JSON.stringify({ errorType, errorMessage: "" }) : body);
}
