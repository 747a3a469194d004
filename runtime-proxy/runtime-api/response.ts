import { MAX_PAYLOAD_BYTES } from "../domain/function-error.ts";
import type { ResponseEnd } from "../domain/lifecycle/input.ts";
import type { LifecyclePort } from "../lifecycle-port.ts";
import { accepted, invalidResponseMode, payloadTooLarge, refusalAnswer, truncated } from "./answers.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "./exchange.ts";
import { readPayload } from "./read-payload.ts";
import { forwardStream } from "./forward-stream.ts";
import { trailerFailure, wholeAnswer } from "./stream-trailers.ts";

/** POST /runtime/invocation/{id}/response: forwarded as it comes to a caller who takes a stream, else collected whole. */
export async function postResponse(
  lifecycle: LifecyclePort,
  request: AgentRequest,
  requestId: string,
): Promise<AgentResponse> {
  const { start } = lifecycle;
  const mode = headerOf(request, "lambda-runtime-function-response-mode");
  const hasInvalidMode = mode !== undefined && mode !== "streaming";
  const verdict = lifecycle.tell({ type: "responseBegun", call: "response", requestId, hasInvalidMode });
  if (!verdict.ok) return refusalAnswer(verdict.refusal);
  if (hasInvalidMode) return invalidResponseMode;
  if (lifecycle.isStreamed) return await forwardStream(lifecycle, request, start);
  return await collect(request, (end) => void lifecycle.tell({ type: "responseDone", start, end }));
}

async function collect(request: AgentRequest, done: (end: ResponseEnd) => void): Promise<AgentResponse> {
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  switch (read.kind) {
    case "whole":
      done({ kind: "whole", answer: wholeAnswer(request, read.payload, trailerFailure(request.trailers())) });
      // The caller's answer goes out first: it is waited for, this one is not.
      await new Promise<void>((resolve) => process.nextTick(resolve));
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
