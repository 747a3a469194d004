import type {
  AgentRefusal,
  EnvironmentAnnouncement,
  invocationAnswerHeaders,
  invocationHeaders,
} from "../../crds/wire/environment.ts";
import { GRANT_HEADER, OWNER_HEADER, parseGrant, type Grant, type Position } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { SimpleHead } from "../../lib/http/simple-request.ts";
import { MAX_PAYLOAD_BYTES } from "../domain/function-error.ts";
import {
  headerOf,
  type AgentHandler,
  type AgentRequest,
  type AgentResponse,
  type Payload,
} from "../runtime-api/exchange.ts";
import { readPayload } from "../runtime-api/read-payload.ts";
import { serveAssignment, type AssignmentParts } from "./assignment.ts";
import type { AnswerTimes, Invocation, InvocationAnswer, InvocationOutcome } from "./invocation.ts";

// Types only from that file: with its values would come the schema library, and the agent pays for every module.
const requestHeaders: typeof invocationHeaders = {
  functionArn: "x-kubelambda-function-arn",
  clientContext: "x-amz-client-context",
  logType: "x-amz-log-type",
  responseMode: "x-kubelambda-response-mode",
  tenantId: "x-amz-tenant-id",
};
const answerHeaders: typeof invocationAnswerHeaders = {
  functionError: "x-amz-function-error",
  logResult: "x-amz-log-result",
  executedVersion: "x-amz-executed-version",
  responseMode: "x-kubelambda-response-mode",
  durationMs: "x-kubelambda-duration-ms",
  initMs: "x-kubelambda-init-ms",
  startMs: "x-kubelambda-start-ms",
  fetchMs: "x-kubelambda-fetch-ms",
  readyMs: "x-kubelambda-ready-ms",
  extensionsMs: "x-kubelambda-extensions-ms",
};

export interface InvocationApiParts {
  /** Whether the bearer of this `authorization` header is a router that means this environment. */
  readonly isAllowed: (authorization: string | undefined) => boolean;
  readonly refusal: (grant: Grant | undefined) => AgentRefusal | undefined;
  /** `grant`: as the owner of the account gave it. */
  readonly invoke: (invocation: Invocation, grant: Grant | undefined) => Promise<InvocationOutcome>;
  /** The owner of the account puts the environment under its word. */
  readonly claim: (position: Position, owner: string) => void;
  readonly announcement: () => EnvironmentAnnouncement;
  /** Of the function; asked only when a call is let in. */
  readonly function: () => { readonly functionArn: string; readonly version: string };
  /** Absent: it was made for its function. */
  readonly assignment?: AssignmentParts;
}

const refusalStatus = {
  Unauthorized: 401,
  Busy: 409,
  Stale: 409,
  Draining: 503,
  BadRequest: 400,
} as const satisfies Record<AgentRefusal["code"], number>;
const invocationPrefix = routes.invocation("");
/** A runtime's own words go no further than a router reads headers. */
const longestContentType = 4096;
const requestIdPattern = /^[A-Za-z0-9-]{1,128}$/;

/** Calls whose answer is no stream. */
export function isWholeCall({ method, url, headers }: SimpleHead): boolean {
  return method === "POST" && url.startsWith(invocationPrefix) && headers[requestHeaders.responseMode] === undefined;
}

/** What routers may ask of an environment, and the kubelet's question whether the agent lives. */
export function invocationApi(parts: InvocationApiParts): AgentHandler {
  return async (request) => {
    if (request.method === "GET" && request.path === "/healthz") return { status: 200 };
    if (parts.assignment !== undefined && request.path === routes.assignment)
      return await serveAssignment(parts.assignment, request);
    if (!parts.isAllowed(headerOf(request, "authorization"))) {
      return refuse({
        code: "Unauthorized",
        message: "Cannot serve: the bearer is no router that means this environment",
      });
    }
    if (request.method === "GET" && request.path === routes.state) return json(200, parts.announcement());
    if (request.method === "POST" && request.path === routes.claim) return takeClaim(parts, request);
    if (request.method === "POST" && request.path.startsWith(invocationPrefix))
      return await postInvocation(parts, request);
    return { status: 404 };
  };
}

function takeClaim(parts: InvocationApiParts, request: AgentRequest): AgentResponse {
  const position = parseGrant(headerOf(request, GRANT_HEADER) ?? "");
  if (position === undefined) return badRequest(`the header "${GRANT_HEADER}" is not <epoch>.<turn>.<ms>`);
  parts.claim(position, headerOf(request, OWNER_HEADER) ?? "");
  return json(200, parts.announcement());
}

async function postInvocation(parts: InvocationApiParts, request: AgentRequest): Promise<AgentResponse> {
  const requestId = request.path.slice(invocationPrefix.length);
  if (!requestIdPattern.test(requestId)) return badRequest("the request id is not 1 to 128 letters, digits or -");
  const grantText = headerOf(request, GRANT_HEADER);
  const grant = grantText === undefined ? undefined : parseGrant(grantText);
  if (grantText !== undefined && grant === undefined)
    return badRequest(`the header "${GRANT_HEADER}" is not <epoch>.<turn>.<ms>`);
  const early = parts.refusal(grant);
  if (early !== undefined) return refuse(early);
  const read = await readPayload(request, MAX_PAYLOAD_BYTES);
  switch (read.kind) {
    case "truncated":
      return badRequest("the event ended before its length");
    case "tooLarge":
      return { ...badRequest(`the event has more than ${MAX_PAYLOAD_BYTES} bytes`), status: 413, close: true };
    case "whole":
      return toResponse(
        await parts.invoke(toInvocation(parts, request, requestId, read.payload), grant),
        parts.function().version,
      );
  }
}

function toInvocation(
  parts: InvocationApiParts,
  request: AgentRequest,
  requestId: string,
  payload: Payload,
): Invocation {
  const clientContext = headerOf(request, requestHeaders.clientContext);
  const traceId = headerOf(request, "x-amzn-trace-id");
  const tenantId = headerOf(request, requestHeaders.tenantId);
  return {
    requestId,
    functionArn: headerOf(request, requestHeaders.functionArn) ?? parts.function().functionArn,
    contentType: headerOf(request, "content-type") ?? "application/json",
    wantsLogTail: headerOf(request, requestHeaders.logType) === "Tail",
    isStreamed: headerOf(request, requestHeaders.responseMode) === "streaming",
    payload,
    ...(clientContext !== undefined && { clientContext }),
    ...(traceId !== undefined && { traceId }),
    ...(tenantId !== undefined && { tenantId }),
  };
}

function toResponse(outcome: InvocationOutcome, version: string): AgentResponse {
  return outcome.ok ? answerResponse(outcome.answer, version) : refuse(outcome.refusal);
}

function answerResponse(answer: InvocationAnswer, version: string): AgentResponse {
  return {
    status: 200,
    headers: {
      "content-type": answer.contentType.length > longestContentType ? "application/octet-stream" : answer.contentType,
      [answerHeaders.executedVersion]: version,
      ...("send" in answer.payload && { [answerHeaders.responseMode]: "streaming" }),
      ...(answer.isFunctionError && { [answerHeaders.functionError]: "Unhandled" }),
      ...timeHeaders(answer.times),
      ...(answer.logResult !== undefined && { [answerHeaders.logResult]: answer.logResult }),
    },
    body: answer.payload,
  };
}

function timeHeaders(times: AnswerTimes): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, ms] of Object.entries(times) as [keyof AnswerTimes, number | undefined][])
    if (ms !== undefined) headers[answerHeaders[name]] = ms.toFixed(3);
  return headers;
}

function badRequest(message: string): AgentResponse {
  return refuse({ code: "BadRequest", message: `Cannot invoke: ${message}` });
}

/** Who has no business here is not kept connected. */
function refuse(refusal: AgentRefusal): AgentResponse {
  return { ...json(refusalStatus[refusal.code], refusal), close: refusal.code === "Unauthorized" };
}

function json(status: number, value: object): AgentResponse {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
