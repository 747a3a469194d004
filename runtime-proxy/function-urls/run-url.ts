import type { Readable } from "node:stream";
import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { HttpResponse } from "../../lib/http/handler.ts";
import { urlAnswer, type UrlAnswer, type UrlResponse } from "../domain/url-answer.ts";
import { INTEGRATION_TYPE, PreludeReader, type PreludeProgress } from "../domain/url-prelude.ts";
import type { AnswerHeaders } from "../environments/answer-collector.ts";
import type { StreamEnd } from "../environments/streamed-answer.ts";
import { ClientStream, watchClient, type StreamEncoding } from "../invoke-api/client-stream.ts";
import {
  longestRunMs,
  type AdmittedInvocation,
  type AgentAnswer,
  type InvocationRunner,
} from "../invoke-api/run-invocation.ts";
import { aboutFunction, type CallParts, type Served } from "../invoke-api/serve-call.ts";
import { functionFailed } from "./url-refusal.ts";

export interface RunUrlParts extends Pick<CallParts, "clock" | "log"> {
  readonly runner: InvocationRunner;
}

/** BUFFERED: the whole answer, mapped. */
export async function runBuffered({ runner, log }: RunUrlParts, call: AdmittedInvocation): Promise<Served> {
  const answer = await runner.run(call);
  const mapped = isDescribed(answer.headers) ? wholeStream(answer.body) : urlAnswer(answer.body);
  return toServed(answer, mapped, { call, log });
}

/** RESPONSE_STREAM: the answer as it comes. */
export async function runStreamed(parts: RunUrlParts, call: AdmittedInvocation): Promise<Served> {
  const answer = await parts.runner.stream(call);
  if (answer.kind === "answered") {
    const mapped = isDescribed(answer.headers) ? wholeStream(answer.body) : asItIs(answer.headers, answer.body);
    return toServed(answer, mapped, { call, log: parts.log });
  }
  const head = isDescribed(answer.headers) ? await readHead(answer.body) : asItIs(answer.headers);
  const result = answer.ended.then((end) => resultOf(end));
  if ("problem" in head) {
    parts.log.debug("Stream has no head", { requestId: call.requestId, problem: head.problem });
    answer.discard();
    return { response: functionFailed(call.requestId), result };
  }
  const stream = new ClientStream(answer, plainEncoding);
  watchClient(stream, longestRunMs(call.facts), parts.clock);
  void answer.ended.then((end) => {
    if (end.kind !== "lost") return;
    parts.log.error("Stream broke", { ...aboutFunction(call.facts), requestId: call.requestId, error: end.error });
  });
  return { response: toResponse({ ...head, body: stream }, call), result };
}

function toServed(
  { headers }: AgentAnswer,
  mapped: UrlAnswer,
  { call, log }: { readonly call: AdmittedInvocation; readonly log: RunUrlParts["log"] },
): Served {
  if (headers[invocationAnswerHeaders.functionError] !== undefined)
    return { response: functionFailed(call.requestId), result: "function_error" };
  if (mapped !== undefined) return { response: toResponse(mapped, call), result: "ok" };
  log.debug("Answer is no HTTP response", { requestId: call.requestId });
  return { response: functionFailed(call.requestId), result: "function_error" };
}

function toResponse(
  { status, headers, body }: Omit<UrlResponse, "body"> & { readonly body?: Uint8Array | string | Readable },
  { requestId, traceId }: AdmittedInvocation,
): HttpResponse {
  const own = { "x-amzn-requestid": requestId, "x-amzn-trace-id": traceId };
  return { status, headers: { ...headers, ...own }, ...(body !== undefined && { body }) };
}

function isDescribed(headers: AnswerHeaders): boolean {
  return String(headers["content-type"]).toLowerCase().startsWith(INTEGRATION_TYPE);
}

/** A stream that came whole, since its function does not stream or nobody takes it as it comes. */
function wholeStream(payload: Buffer): UrlAnswer {
  const read = new PreludeReader().push(payload);
  return read.type === "complete" ? { ...read.head, body: read.rest } : undefined;
}

function asItIs(headers: AnswerHeaders, body?: Buffer): UrlResponse {
  const type = headers["content-type"];
  return {
    status: 200,
    headers: { "content-type": typeof type === "string" ? type : "application/octet-stream" },
    ...(body !== undefined && { body }),
  };
}

/** Reads a stream's prelude and leaves the rest in it. */
function readHead(body: Readable): Promise<Omit<UrlResponse, "body"> | { readonly problem: string }> {
  const reader = new PreludeReader();
  return new Promise((resolve) => {
    const take = (progress: PreludeProgress): void => {
      if (progress.type === "more") return;
      body.off("data", onData).off("end", onEnd).pause();
      if (progress.type === "complete" && progress.rest.length > 0) body.unshift(progress.rest);
      resolve(progress.type === "complete" ? progress.head : progress);
    };
    const onData = (chunk: Buffer): void => take(reader.push(chunk));
    const onEnd = (): void => take(reader.end());
    body.on("data", onData).on("end", onEnd);
  });
}

/** By the time that a stream fails its status has gone out: the client is cut off. */
const plainEncoding: StreamEncoding = {
  chunk: (payload) => [payload],
  end: (end) => (resultOf(end) === "ok" ? [] : new Error("The function's stream broke off")),
};

function resultOf(end: StreamEnd): string {
  if (end.kind === "lost") return "ServiceException";
  const { endOfResponse, errorType } = end.trailers;
  return endOfResponse === "Complete" && errorType === undefined ? "ok" : "function_error";
}
