import { randomUUID } from "node:crypto";
import type { LogFields, Logger } from "../../lib/logger.ts";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { AccessControl } from "../access/access-control.ts";
import type { Caller } from "../access/caller.ts";
import { AccessError } from "../access/access-error.ts";
import type { FunctionMetrics } from "../function-metrics.ts";
import type { Calls } from "../ownership/calls.ts";
import type { RouterMetrics } from "../router-metrics.ts";
import type { MemoryBudget, MemoryRoom } from "../memory-budget.ts";
import { answerBytes, type CallObserver, type CallOperation } from "./call-record.ts";
import { CallTimes } from "./call-times.ts";
import { bodyMemoryFull, InvokeError, toInvokeError } from "./errors.ts";
import type { FoundFunction, FunctionFinder } from "./find-function.ts";
import type { FindSettled } from "./find-settled.ts";
import { stateRefusal } from "./function-refusal.ts";
import type { InvokeHeaders } from "./invoke-headers.ts";
import { ClientGoneError, discardRest, EVENT_LIMIT_BYTES, tooLarge } from "./read-event.ts";
import type { AdmittedInvocation } from "./run-invocation.ts";
import type { BegunTrace, BeginTrace } from "./trace-header.ts";

/** What every call needs, whatever it came by. */
export interface CallParts {
  readonly calls: Pick<Calls, "ticket">;
  readonly bodyMemory: MemoryBudget;
  readonly findSettled: FindSettled;
  readonly beginTrace: BeginTrace;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  readonly functionMetrics: FunctionMetrics;
  /** Absent: nobody writes of calls. */
  readonly observe?: CallObserver | undefined;
  /** Longest time for a request's body to arrive. */
  readonly bodyTimeoutMs: number;
  /** Longest wait for an environment, all tries together. */
  readonly waitMs: number;
}

/** What every operation of the Invoke API needs. */
export interface ServeCallParts extends CallParts {
  readonly access: AccessControl;
  readonly finder: FunctionFinder;
}

export interface Served {
  readonly response: HttpResponse;
  /** For the metrics: at once, or when the run has come to its end; the call counts as running until then. */
  readonly result: string | Promise<string>;
}

/** How one request becomes a call; every step throws the InvokeError that the caller is told. */
export interface CallSteps {
  readonly operation: CallOperation;
  /** How the caller has shown who it is, as far as that is known by now. */
  readonly caller: Caller["how"];
  /** Before anything else: where an entry lets in only who it knows, and tells nobody else what there is. */
  enter?(): Promise<void>;
  find(): FoundFunction;
  /** Whether the caller may; absent: everybody may. */
  authorize?(found: FoundFunction): Promise<void>;
  readHeaders(): InvokeHeaders;
  /** Memory that the event may take; undefined: unknown before it has been read. */
  announcedBytes(): number | undefined;
  /** What a body holds that was read before this; given back when the call has come to its end, if not before. */
  readonly heldRoom?: MemoryRoom | undefined;
  readEvent(call: { readonly requestId: string; readonly trace: BegunTrace }): Promise<Buffer>;
  run(call: AdmittedInvocation): Promise<Served>;
  refuse(error: InvokeError, requestId: string): HttpResponse;
}

interface Call {
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly trace: BegunTrace;
  readonly headers: InvokeHeaders;
  readonly found: FoundFunction;
  readonly steps: CallSteps;
  readonly times: CallTimes;
  /** Counts the call, once, when it has come to its end. */
  readonly finish: Finish;
  /** Of the event, once it is there. */
  eventBytes: number;
}

type Finish = (result: string, response: HttpResponse | undefined, throttleReason?: string) => void;

/** Finds the function, takes in the event, admits and runs the call, and answers what goes wrong. */
export async function serveCall(parts: CallParts, request: HttpRequest, steps: CallSteps): Promise<HttpResponse> {
  const { metrics, clock, observe } = parts;
  const requestId = randomUUID();
  const times = new CallTimes(clock);
  let found: FoundFunction | undefined;
  let call: Call | undefined;
  const finish: Finish = (result, response, throttleReason) => {
    metrics.invocations.inc({ result });
    times.observe(metrics);
    if (found !== undefined) countCall(parts, { found, result, throttleReason, times });
    observe?.({
      ...{ requestId, request, found, result, operation: steps.operation, caller: steps.caller },
      trace: call?.trace.context,
      figures: times.figures(),
      status: response?.status ?? clientGoneStatus,
      eventBytes: call?.eventBytes ?? 0,
      answerBytes: response === undefined ? 0 : answerBytes(response),
    });
  };
  try {
    await steps.enter?.();
    const finding = parts.findSettled(() => steps.find());
    found = finding instanceof Promise ? await finding : finding;
    await steps.authorize?.(found);
    const headers = steps.readHeaders();
    const trace = parts.beginTrace(found.facts, request.headers);
    call = { request, requestId, trace, headers, found, steps, times, finish, eventBytes: 0 };
    return await serve(parts, call);
  } catch (error) {
    return await refuse(parts, { requestId, request, found, error, steps, finish });
  } finally {
    steps.heldRoom?.release();
  }
}

async function serve(parts: CallParts, call: Call): Promise<HttpResponse> {
  const { steps } = call;
  const { namespace } = call.found.facts;
  const { heldRoom } = steps;
  const room =
    heldRoom === undefined
      ? await takeRoom(parts, namespace, steps.announcedBytes())
      : await chargeRoom(parts, heldRoom, namespace);
  try {
    const event = await steps.readEvent(call);
    call.times.bodyArrived();
    room.shrinkTo(event.length);
    call.eventBytes = event.length;
    if (call.headers.invocationType === "DryRun") {
      const response = { status: 204, headers: { "x-amzn-requestid": call.requestId } };
      call.finish("dry_run", response);
      return response;
    }
    return await admitAndRun(parts, call, event);
  } finally {
    room.release();
  }
}

type RoomParts = Pick<CallParts, "bodyMemory" | "metrics">;

/** Rejects with the InvokeError that the caller is told. */
export async function takeRoom(parts: RoomParts, account: string, bytes = EVENT_LIMIT_BYTES): Promise<MemoryRoom> {
  if (bytes > EVENT_LIMIT_BYTES) throw tooLarge();
  const room = parts.bodyMemory.take(bytes, account);
  const taken = room instanceof Promise ? await room : room;
  if (taken !== undefined) return taken;
  throw noRoom(parts, `Cannot hold another ${bytes} bytes`);
}

/** Of a body that has been read: from now on it is its function's account that holds it. */
async function chargeRoom(parts: RoomParts, room: MemoryRoom, account: string): Promise<MemoryRoom> {
  const charged = room.chargeTo(account);
  const isCharged = charged === true ? true : await charged;
  if (isCharged) return room;
  throw noRoom(parts, `Cannot hold a body for "${account}"`);
}

function noRoom({ bodyMemory, metrics }: RoomParts, what: string): InvokeError {
  metrics.bodyRefusals.inc();
  return bodyMemoryFull(new Error(`${what}: ${bodyMemory.usedBytes} are held and others wait`));
}

async function admitAndRun({ calls, clock, waitMs }: CallParts, call: Call, event: Buffer): Promise<HttpResponse> {
  const { facts, invokedArn } = call.found;
  const refusal = stateRefusal(facts);
  if (refusal !== undefined) throw refusal;
  const { namespace, uid: functionUid, version } = facts;
  const ticket = calls.ticket({ namespace, functionUid, version, deadlineMs: clock.monotonicMs() + waitMs });
  const end = (result: string): void | Promise<void> => {
    call.finish(result, served.response);
    return ticket.close();
  };
  const { requestId, times } = call;
  const traceId = call.trace.header;
  const { wantsLogTail, clientContext, tenantId } = call.headers;
  const invocation: AdmittedInvocation = {
    ticket,
    requestId,
    facts,
    invokedArn,
    event,
    traceId,
    times,
    wantsLogTail,
    clientContext,
    tenantId,
  };
  let served: Served;
  try {
    served = await call.steps.run(invocation);
  } catch (error) {
    invocation.answerRoom?.release();
    await ticket.close();
    throw error;
  }
  const { answerRoom } = invocation;
  if (answerRoom !== undefined) call.request.whenAnswered(() => answerRoom.release());
  if (typeof served.result === "string") await end(served.result);
  else void served.result.then(end);
  return served.response;
}

interface Refused {
  readonly requestId: string;
  readonly request: HttpRequest;
  readonly found: FoundFunction | undefined;
  readonly error: unknown;
  readonly steps: Pick<CallSteps, "refuse">;
  readonly finish: Finish;
}

/** Of a call that nobody waits for any more; as nginx counts them. */
const clientGoneStatus = 499;

async function refuse(parts: CallParts, refused: Refused): Promise<HttpResponse> {
  const { requestId, request, found, error, steps, finish } = refused;
  if (error instanceof ClientGoneError) {
    finish("client_gone", undefined);
    throw error;
  }
  const known = toKnown(requestId, error);
  const response = steps.refuse(known, requestId);
  finish(known.code, response, known.reason);
  const write = known.code === "ServiceException" ? parts.log.error : parts.log.debug;
  const { code, message, cause } = known;
  write("Invocation refused", { ...(found && aboutFunction(found.facts)), requestId, code, error: message, cause });
  // Who did not send in time gets no more of it.
  if (known.code !== "RequestTimeoutException") await discardRest(request, parts.clock);
  return response;
}

/** For the log. */
export function aboutFunction({ namespace, objectName }: FoundFunction["facts"]): LogFields {
  return { kind: "Function", namespace, name: objectName };
}

interface Counted {
  readonly found: FoundFunction;
  readonly result: string;
  readonly throttleReason: string | undefined;
  readonly times: CallTimes;
}

/** A refusal of another kind counts for no function: nothing was run. Neither does a limit that is the caller's or the router's own. */
function countCall({ functionMetrics }: CallParts, { found, result, throttleReason, times }: Counted): void {
  const { facts, invokedArn } = found;
  if (throttleReason === "CallerRateLimitExceeded") return;
  if (throttleReason !== undefined) {
    functionMetrics.count({ facts, invokedArn, end: { type: "throttled", reason: throttleReason } });
  } else if (result === "ok" || result === "function_error") {
    const isFunctionError = result === "function_error";
    const { extensionsMs } = times.told;
    const { functionMs: durationMs, provisioned } = times;
    const end = { type: "ran", isFunctionError, durationMs, extensionsMs, provisioned } as const;
    functionMetrics.count({ facts, invokedArn, end });
  } else if (result === "RecursiveInvocationException") {
    functionMetrics.count({ facts, invokedArn, end: { type: "recursive" } });
  }
}

function toKnown(requestId: string, error: unknown): InvokeError {
  if (error instanceof AccessError) return toInvokeError(error);
  return error instanceof InvokeError ? error : internalError(requestId, error);
}

function internalError(requestId: string, cause: unknown): InvokeError {
  return new InvokeError("ServiceException", `RequestId: ${requestId} Error: The service failed`, { cause });
}
