import { randomUUID } from "node:crypto";
import type { Logger } from "../../lib/logger.ts";
import { LATEST } from "../../crds/names.ts";
import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { ConcurrencyLedger } from "../domain/concurrency.ts";
import type { RouterMetrics } from "../router-metrics.ts";
import type { BodyMemory, BodyRoom } from "./body-memory.ts";
import { errorResponse, InvokeError, throttled } from "./errors.ts";
import type { FoundFunction } from "./find-function.ts";
import { stateRefusal } from "./function-refusal.ts";
import { parseInvokeHeaders, type InvokeHeaders } from "./invoke-headers.ts";
import { announcedBytes, ClientGoneError, discardRest, EVENT_LIMIT_BYTES, readEvent, tooLarge } from "./read-event.ts";
import type { AdmittedInvocation, AgentAnswer } from "./run-invocation.ts";
import { traceHeader } from "./trace-header.ts";

export interface InvokeParts {
  readonly findFunction: (encodedName: string, request: HttpRequest) => FoundFunction;
  readonly run: (call: AdmittedInvocation) => Promise<AgentAnswer>;
  readonly ledger: ConcurrencyLedger;
  readonly bodyMemory: BodyMemory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  /** Longest time for a request's body to arrive. */
  readonly bodyTimeoutMs: number;
}

/** One request on its way. */
interface Call {
  readonly requestId: string;
  readonly request: HttpRequest;
  readonly headers: InvokeHeaders;
  readonly found: FoundFunction;
}

/** `POST /2015-03-31/functions/{FunctionName}/invocations`, synchronous and dry run. */
export function createInvoke(parts: InvokeParts): (encodedName: string, request: HttpRequest) => Promise<HttpResponse> {
  return async (encodedName, request) => {
    const requestId = randomUUID();
    const startedMs = parts.clock.monotonicMs();
    try {
      const found = parts.findFunction(encodedName, request);
      return await serve(parts, { requestId, request, headers: parseInvokeHeaders(request), found });
    } catch (error) {
      return await refuse(parts, { requestId, request, error });
    } finally {
      parts.metrics.invocationSeconds.observe((parts.clock.monotonicMs() - startedMs) / 1000);
    }
  };
}

async function serve(parts: InvokeParts, call: Call): Promise<HttpResponse> {
  const room = await takeRoom(parts, announcedBytes(call.request));
  try {
    const event = await readEvent(call.request.body, parts.bodyTimeoutMs, parts.clock);
    room.shrinkTo(event.length);
    if (call.headers.invocationType === "DryRun") {
      parts.metrics.invocations.inc({ result: "dry_run" });
      return { status: 204, headers: { "x-amzn-requestid": call.requestId } };
    }
    return await admitAndRun(parts, call, event);
  } finally {
    room.release();
  }
}

async function takeRoom({ bodyMemory }: InvokeParts, bytes = EVENT_LIMIT_BYTES): Promise<BodyRoom> {
  if (bytes > EVENT_LIMIT_BYTES) throw tooLarge();
  const room = bodyMemory.take(bytes);
  const taken = room instanceof Promise ? await room : room;
  if (taken !== undefined) return taken;
  const cause = new Error(`Cannot hold another ${bytes} bytes: ${bodyMemory.usedBytes} are held and others wait`);
  throw throttled("ConcurrentInvocationLimitExceeded", cause);
}

async function admitAndRun(parts: InvokeParts, call: Call, event: Buffer): Promise<HttpResponse> {
  const { facts, invokedArn } = call.found;
  const refusal = stateRefusal(facts);
  if (refusal !== undefined) throw refusal;
  const admission = parts.ledger.admit(facts.uid);
  if (!admission.ok) throw throttled(admission.reason);
  try {
    const traceId = traceHeader(call.request.headers["x-amzn-trace-id"], parts.clock.nowMs());
    const { requestId } = call;
    const { wantsLogTail, clientContext } = call.headers;
    const answer = await parts.run({
      requestId,
      facts,
      invokedArn,
      event,
      traceId,
      wantsLogTail,
      ...(clientContext !== undefined && { clientContext }),
    });
    return toResponse(parts, answer, { requestId, traceId });
  } finally {
    parts.ledger.leave(facts.uid);
  }
}

function toResponse(
  { metrics }: InvokeParts,
  { headers, body }: AgentAnswer,
  ids: { readonly requestId: string; readonly traceId: string },
): HttpResponse {
  const functionError = headers[invocationAnswerHeaders.functionError];
  const logResult = headers[invocationAnswerHeaders.logResult];
  metrics.invocations.inc({ result: functionError === undefined ? "ok" : "function_error" });
  return {
    status: 200,
    headers: {
      "content-type": "application/json",
      "x-amzn-requestid": ids.requestId,
      "x-amzn-trace-id": ids.traceId,
      "x-amz-executed-version": headers[invocationAnswerHeaders.executedVersion] ?? LATEST,
      ...(functionError !== undefined && { "x-amz-function-error": functionError }),
      ...(logResult !== undefined && { "x-amz-log-result": logResult }),
    },
    body,
  };
}

interface Refused {
  readonly requestId: string;
  readonly request: HttpRequest;
  readonly error: unknown;
}

async function refuse(parts: InvokeParts, { requestId, request, error }: Refused): Promise<HttpResponse> {
  if (error instanceof ClientGoneError) {
    parts.metrics.invocations.inc({ result: "client_gone" });
    throw error;
  }
  const known = error instanceof InvokeError ? error : internalError(requestId, error);
  parts.metrics.invocations.inc({ result: known.code });
  const write = known.code === "ServiceException" ? parts.log.error : parts.log.debug;
  write("Invocation refused", { requestId, code: known.code, error: known.message, cause: known.cause });
  // Who did not send in time gets no more of it.
  if (known.code !== "RequestTimeoutException") await discardRest(request.body, parts.clock);
  return errorResponse(known, requestId);
}

function internalError(requestId: string, cause: unknown): InvokeError {
  return new InvokeError("ServiceException", `RequestId: ${requestId} Error: The service failed`, { cause });
}
