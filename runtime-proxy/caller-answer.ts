import type { streamTrailers } from "../crds/wire/environment.ts";
import { platformErrorPayload, responseTooLargePayload } from "./domain/function-error.ts";
import type { CallerAnswer, StreamEnd } from "./domain/lifecycle/effect.ts";
import type { Failure, InitErrorReport } from "./domain/lifecycle/state.ts";
import type { Payload } from "./domain/payload.ts";
import { textPayload } from "./runtime-api/exchange.ts";

// Types only from that file: with its values would come the schema library, and the agent pays for every module.
const trailers: typeof streamTrailers = {
  endOfResponse: "end-of-response",
  errorType: "lambda-runtime-function-error-type",
  errorBody: "lambda-runtime-function-error-body",
  logResult: "x-amz-log-result",
};
export const trailerNames: readonly string[] = Object.values(trailers);

export interface WordedAnswer {
  readonly payload: Payload;
  readonly contentType: string;
  readonly isFunctionError: boolean;
}

/** What the caller gets, to the byte. */
export function wordAnswer(answer: CallerAnswer, requestId: string): WordedAnswer {
  switch (answer.kind) {
    case "whole":
      return answer;
    case "error":
      return functionError(textPayload(platformErrorPayload(answer.error, requestId)));
    case "tooLarge":
      return functionError(textPayload(responseTooLargePayload));
    case "nothing":
      return functionError({ chunks: [], bytes: 0 });
  }
}

function functionError(payload: Payload): WordedAnswer {
  return { payload, contentType: "application/json", isFunctionError: true };
}

/** How a streamed payload ended, as its trailers say it. */
export function wordTrailers(
  { end, errorType, errorBody, error }: StreamEnd,
  requestId: string,
  logResult: string | undefined,
): Readonly<Record<string, string>> {
  const body = errorBody === undefined ? error && encode(platformErrorPayload(error, requestId)) : bounded(errorBody);
  return {
    [trailers.endOfResponse]: end,
    ...(errorType !== undefined && { [trailers.errorType]: headerText(errorType).slice(0, longestErrorType) }),
    ...(body !== undefined && { [trailers.errorBody]: headerText(body) }),
    ...(logResult !== undefined && { [trailers.logResult]: logResult }),
  };
}

/** What a router takes in trailers is bounded; half of a body would be no JSON. */
function bounded(errorBody: string): string {
  if (errorBody.length <= longestErrorBody) return errorBody;
  const errorMessage = `The error has more than ${longestErrorBody} bytes`;
  return encode(JSON.stringify({ errorType: "Function.Unknown", errorMessage }));
}

const longestErrorType = 1024;
const longestErrorBody = 256 * 1024;

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** A runtime's own words, less what no header may hold. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, " ");
}

const readableReportBytes = 64 * 1024;

/** A failed init in the words of conditions and events: bounded, with what the runtime said about it. */
export function summarizeInitFailure(
  failure: Failure,
  limitMs: number,
): { readonly errorType: string; readonly errorMessage: string } {
  switch (failure.kind) {
    case "timeout":
      return {
        errorType: "Sandbox.Timedout",
        errorMessage: `Init timed out after ${(limitMs / 1000).toFixed(2)} seconds`,
      };
    case "error":
      return { errorType: failure.error.errorType, errorMessage: failure.error.message.slice(0, 8192) };
    case "reported": {
      const { errorType, errorMessage } = readReport(failure.report);
      return {
        errorType: (errorType ?? failure.report.errorType ?? "Runtime.Unknown").slice(0, 1024),
        errorMessage: (errorMessage ?? "The runtime reported a failed init").slice(0, 8192),
      };
    }
  }
}

function readReport({ payload }: InitErrorReport): { errorType?: string; errorMessage?: string } {
  if (payload.bytes > readableReportBytes) return {};
  try {
    const report = JSON.parse(Buffer.concat(payload.chunks, payload.bytes).toString()) as Record<
      string,
      unknown
    > | null;
    const { errorType, errorMessage } = report ?? {};
    return {
      ...(typeof errorType === "string" && { errorType }),
      ...(typeof errorMessage === "string" && { errorMessage }),
    };
  } catch {
    return {};
  }
}
