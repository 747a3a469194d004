import { finished } from "node:stream/promises";
import { MAX_STREAM_BYTES } from "../domain/stream-budget.ts";
import type { LifecyclePort } from "../lifecycle-port.ts";
import { accepted, streamTooLarge, truncated } from "./answers.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "./exchange.ts";
import { trailerFailure, wholeAnswer } from "./stream-trailers.ts";

/** Node's default for streams of its client. */
const defaultContentType = "application/octet-stream";

/** Chunks go to the caller as they come; nothing is read that the caller cannot take. */
export async function forwardStream(
  lifecycle: LifecyclePort,
  request: AgentRequest,
  start: number,
): Promise<AgentResponse> {
  let bytes = 0;
  try {
    const chunks: AsyncIterable<Uint8Array> = request.body.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      if (bytes === 0) tellBegin(lifecycle, request, start);
      bytes += chunk.length;
      if (bytes > MAX_STREAM_BYTES) break;
      // What is left of an answer that nobody waits for is read to its end.
      if (lifecycle.start === start) await lifecycle.writeStream(chunk);
    }
  } catch {
    lifecycle.tell({ type: "responseDone", start, end: { kind: "truncated" } });
    return truncated;
  }
  if (bytes > MAX_STREAM_BYTES) return await refuseRest(lifecycle, request, start);
  tellEnd(lifecycle, request, { start, isEmpty: bytes === 0 });
  return accepted;
}

function tellBegin(lifecycle: LifecyclePort, request: AgentRequest, start: number): void {
  const contentType = headerOf(request, "content-type") ?? defaultContentType;
  lifecycle.tell({ type: "responseStreams", start, contentType });
}

function tellEnd(
  lifecycle: LifecyclePort,
  request: AgentRequest,
  { start, isEmpty }: { readonly start: number; readonly isEmpty: boolean },
): void {
  const failure = trailerFailure(request.trailers());
  const end = isEmpty
    ? ({ kind: "whole", answer: wholeAnswer(request, { chunks: [], bytes: 0 }, failure) } as const)
    : ({ kind: "streamed", ...(failure !== undefined && { failure }) } as const);
  lifecycle.tell({ type: "responseDone", start, end });
}

/** The client is told once it has sent the rest: before, it might not listen. */
async function refuseRest(lifecycle: LifecyclePort, request: AgentRequest, start: number): Promise<AgentResponse> {
  lifecycle.tell({ type: "responseDone", start, end: { kind: "tooLarge" } });
  await finished(request.body.resume()).catch(() => undefined);
  return streamTooLarge;
}
