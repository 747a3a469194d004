import type { FunctionUrlTarget } from "../../crds/function-url.ts";
import type { HttpRequest, HttpResponse, SentRequest } from "../../lib/http/handler.ts";
import { whoForwarded } from "../domain/forwarded.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import type { FunctionUrl, FunctionUrlDirectory } from "../domain/function-url.ts";
import { isPreflight, preflightHeaders, withCors } from "../domain/url-cors.ts";
import { anonymous, type Caller } from "../access/caller.ts";
import { formatTraceparent } from "../domain/traceparent.ts";
import type { BegunTrace } from "../invoke-api/trace-header.ts";
import { joinHeaders, urlEvent } from "../domain/url-event.ts";
import { InvokeError } from "../invoke-api/errors.ts";
import { findQualified, type FoundFunction } from "../invoke-api/find-function.ts";
import { announcedBytes, EVENT_LIMIT_BYTES, readWhole, tooLarge } from "../invoke-api/read-event.ts";
import { proveBody, type EnteredBody } from "../invoke-api/prove-body.ts";
import { serveCall, type CallSteps, type CallParts } from "../invoke-api/serve-call.ts";
import type { AuthorizeUrl, UrlCaller } from "./authorize-url.ts";
import { runBuffered, runStreamed, type RunUrlParts } from "./run-url.ts";
import { notAllowed, urlRefusal } from "./url-refusal.ts";

export interface FunctionUrlParts extends RunUrlParts, CallParts {
  readonly urls: FunctionUrlDirectory;
  readonly functions: FunctionDirectory;
  readonly authorize: AuthorizeUrl;
  /** A number in [0, 1), for each call by itself. */
  readonly draw: () => number;
  /** Whether the address is a proxy's whose word on its client is taken. */
  readonly isTrustedProxy: (address: string) => boolean;
}

/** Serves requests for function URLs. */
export type ServeFunctionUrl = (target: FunctionUrlTarget, request: HttpRequest) => Promise<HttpResponse>;

/** The headers and base64 of an event take room besides the body. */
const eventMarginBytes = 64 * 1024;

export function createFunctionUrls(parts: FunctionUrlParts): ServeFunctionUrl {
  return async (target, request) => {
    const url = target.id === undefined ? undefined : parts.urls.findUrl(target.id);
    const cors = url?.config.cors;
    if (cors === undefined) return await serveUrl(parts, target, request);
    if (isPreflight(request.method, request.headers))
      return { status: 200, headers: preflightHeaders(cors, request.headers) };
    const response = await serveUrl(parts, target, request);
    return { ...response, headers: withCors(cors, request.headers["origin"], response.headers ?? {}) };
  };
}

async function serveUrl(
  parts: FunctionUrlParts,
  target: FunctionUrlTarget,
  request: HttpRequest,
): Promise<HttpResponse> {
  let url: FunctionUrl | undefined;
  let caller: UrlCaller | undefined;
  let who: Caller = anonymous;
  let entered: EnteredBody = { source: request };
  const steps: CallSteps = {
    operation: "FunctionUrl",
    get caller() {
      return who.how;
    },
    find() {
      url = target.id === undefined ? undefined : parts.urls.findUrl(target.id);
      return findBehind(parts, target, url);
    },
    async authorize() {
      const visitor = url === undefined ? undefined : await parts.authorize(url, request);
      if (visitor === undefined) throw notAllowed();
      who = visitor.access?.caller ?? anonymous;
      const { access } = visitor;
      if (access !== undefined) entered = await proveBody(parts, request, { access, memoryFor: eventBytes });
      await visitor.authorize?.();
      caller = visitor.caller;
    },
    readHeaders: () => ({ invocationType: "RequestResponse", wantsLogTail: false }),
    announcedBytes: () => eventBytes(announcedBytes(request)),
    get heldRoom() {
      return entered.room;
    },
    async readEvent(call) {
      const { source, access, room } = entered;
      // The pieces of a body that was read before: as an event they are here once more.
      entered = { source: request, ...(room !== undefined && { room }) };
      const limits = { timeoutMs: parts.bodyTimeoutMs, clock: parts.clock, ...(access !== undefined && { access }) };
      const body = await readWhole(source, limits);
      const withholdsCredentials = url?.config.authType === "AWS_IAM";
      return encodeEvent(parts, { target, request, body, caller, withholdsCredentials, ...call });
    },
    run: (call) => (url?.config.invokeMode === "RESPONSE_STREAM" ? runStreamed(parts, call) : runBuffered(parts, call)),
    refuse: urlRefusal,
  };
  return await serveCall(parts, request, steps);
}

/** Throws what is told of a URL that is none, or whose alias is gone or leads nowhere. Source: Lambda, after DeleteAlias. */
function findBehind(parts: FunctionUrlParts, { id }: FunctionUrlTarget, url: FunctionUrl | undefined): FoundFunction {
  const facts = url === undefined ? undefined : findQualified(parts, url.latest, url.aliasName);
  if (url !== undefined && facts !== undefined) {
    const { arn } = url.latest;
    return { facts, invokedArn: url.aliasName === undefined ? arn : `${arn}:${url.aliasName}` };
  }
  if (!parts.functions.isCurrent())
    throw new InvokeError(
      "ResourceNotReadyException",
      "Cannot find a function URL: the list of functions is being renewed",
    );
  if (url !== undefined || (id !== undefined && parts.urls.hadAlias(id))) throw notAllowed();
  throw new InvokeError("ResourceNotFoundException", "Cannot find a function URL: there is none of this id");
}

/** An event is longer than the body that it holds. */
function eventBytes(bodyBytes: number | undefined): number | undefined {
  if (bodyBytes === undefined || bodyBytes > EVENT_LIMIT_BYTES) return bodyBytes;
  return Math.min(EVENT_LIMIT_BYTES, 2 * bodyBytes + eventMarginBytes);
}

interface EventInput {
  readonly target: FunctionUrlTarget;
  readonly request: HttpRequest;
  readonly body: Buffer;
  readonly caller: UrlCaller | undefined;
  readonly withholdsCredentials: boolean;
  readonly requestId: string;
  readonly trace: BegunTrace;
}

function encodeEvent({ clock, isTrustedProxy }: FunctionUrlParts, input: EventInput): Buffer {
  const { target, request, body, caller, withholdsCredentials, requestId, trace } = input;
  const sent = request.sent ?? withoutSocket(request);
  const forwarded = whoForwarded(sent, joinHeaders(sent.headers), isTrustedProxy);
  const nowMs = clock.nowMs();
  const event = urlEvent(
    { ...request, path: target.path, query: sent.query, rawHeaders: sent.headers, httpVersion: sent.httpVersion, body },
    {
      urlId: target.id ?? "",
      accountId: caller?.accountId ?? "anonymous",
      ...(caller?.iam !== undefined && { iam: caller.iam }),
      withholdsCredentials,
      requestId,
      sourceIp: forwarded.sourceIp,
      ownHeaders: {
        "x-forwarded-for": forwarded.sourceIp,
        "x-forwarded-port": forwarded.port,
        "x-forwarded-proto": forwarded.protocol,
        "x-amzn-trace-id": trace.header,
        ...(trace.context !== undefined && {
          traceparent: formatTraceparent(trace.context.traceId, trace.context.functionSpanId),
        }),
        ...(body.length > 0 && { "content-length": String(body.length) }),
        "x-forwarded-prefix": target.prefix === "" ? undefined : target.prefix,
      },
      nowMs,
      now: new Date(nowMs).toISOString(),
    },
  );
  const bytes = Buffer.from(JSON.stringify(event));
  if (bytes.length > EVENT_LIMIT_BYTES) throw tooLarge();
  return bytes;
}

function withoutSocket({ query, headers }: HttpRequest): SentRequest {
  const flat = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
  return {
    query: query.toString(),
    headers: flat,
    httpVersion: "1.1",
    remoteAddress: "",
    localPort: 0,
    isEncrypted: false,
  };
}
