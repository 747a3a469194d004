import { MAX_PAYLOAD_BYTES } from "../domain/function-error.ts";
import type { LifecyclePort } from "../lifecycle-port.ts";
import { accepted, payloadTooLarge, refusalAnswer, truncated } from "./answers.ts";
import { builtErrorBody } from "./error.ts";
import { headerOf, type AgentRequest, type AgentResponse, type Payload } from "./exchange.ts";
import { readPayload } from "./read-payload.ts";

/** POST /runtime/init/error: the init has failed; the body is kept for the caller whose invocation repeats it. */
export async function postInitError(lifecycle: LifecyclePort, request: AgentRequest): Promise<AgentResponse> {
  const { start } = lifecycle;
  const verdict = lifecycle.tell({ type: "initErrorBegun" });
  if (!verdict.ok) return refusalAnswer(verdict.refusal);
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  const isWhole = read.kind === "whole" && read.payload.bytes > 0;
  const { payload, contentType } = isWhole
    ? { payload: read.payload, contentType: initErrorContentType(read.payload) }
    : builtErrorBody(request);
  const errorType = headerOf(request, "lambda-runtime-function-error-type");
  lifecycle.tell({ type: "initErrorDone", start, report: { payload, contentType, errorType } });
  if (read.kind === "tooLarge") {
    await read.drained;
    return payloadTooLarge;
  }
  return read.kind === "truncated" ? truncated : accepted;
}

/** What the client names is replaced. Source: emulator rapi/handler/initerror.go. */
function initErrorContentType(payload: Payload): string {
  try {
    JSON.parse(Buffer.concat(payload.chunks, payload.bytes).toString());
    return "application/json";
  } catch {
    return "application/octet-stream";
  }
}
