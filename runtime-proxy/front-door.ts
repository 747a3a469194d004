import type { BadRequest } from "../lib/http/bad-request.ts";
import type { Clock } from "../lib/clock.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../lib/http/handler.ts";
import { findFunctionUrl } from "../crds/function-url.ts";
import type { SimpleHead } from "../lib/http/simple-request.ts";
import { isInvoke } from "./invoke-api/server.ts";
import type { ServeFunctionUrl } from "./function-urls/server.ts";
import { discardRest } from "./invoke-api/read-event.ts";

export interface FrontDoorParts {
  readonly invokeApi: HttpHandler;
  readonly functionUrl: ServeFunctionUrl;
  /** Hosts `<url-id>.<suffix>` are function URLs; empty: none is. */
  readonly urlHostSuffix: string;
  readonly clock: Clock;
}

/** Where every request comes in: what two servers could read in two ways is refused; function URLs and the Invoke API part here. */
export function createFrontDoor({ invokeApi, functionUrl, urlHostSuffix, clock }: FrontDoorParts): HttpHandler {
  return async (request) => {
    const refusal = refuse(request);
    if (refusal !== undefined) {
      await discardRest(request, clock);
      return refusal;
    }
    const plain = inOriginForm(request);
    const target = findFunctionUrl({ host: plain.headers["host"], path: plain.path }, urlHostSuffix);
    const answer = await (target === undefined ? invokeApi(plain) : functionUrl(target, plain));
    return asksToUpgrade(request.headers) ? lastOfConnection(answer) : answer;
  };
}

/** Which requests are calls with an answer in one piece: those of the Invoke API's most used operation, at no function URL's host. */
export function isQuickCall(urlHostSuffix: string): (head: SimpleHead) => boolean {
  return ({ method, url, headers }) => {
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    return isInvoke(method, path) && findFunctionUrl({ host: headers["host"], path }, urlHostSuffix) === undefined;
  };
}

/** Undefined: it is a request of HTTP/1.1 that can be read in one way only. */
function refuse({ method, path, headers, sent }: HttpRequest): HttpResponse | undefined {
  const version = sent?.httpVersion ?? "1.1";
  if (version !== "1.1") return refusal(505, `Cannot serve HTTP/${version}: this server speaks HTTP/1.1`);
  const hosts = sent?.headers.filter((name, at) => at % 2 === 0 && name.toLowerCase() === "host").length ?? 1;
  if (hosts > 1) return refusal(400, `Cannot serve the request: it has ${hosts} Host headers, one is right`);
  const coding = headers["transfer-encoding"]?.trim().toLowerCase() ?? "chunked";
  if (coding !== "chunked") return refusal(501, "Cannot read the body: its Transfer-Encoding is not chunked alone");
  if (asksToUpgrade(headers) && !offersHttp2(headers))
    return refusal(501, "Cannot upgrade the connection: this server speaks HTTP/1.1 alone");
  if (path.startsWith("/")) return undefined;
  const [, authority] = absoluteForm.exec(path) ?? [];
  if (authority === undefined) return refusal(400, `Cannot serve ${method}: the request's target is no path`);
  // A signature binds Host, and would say nothing of where the request goes.
  if (authority.toLowerCase() !== headers["host"]?.toLowerCase())
    return refusal(400, `Cannot serve ${method}: the request's target and its Host header name different hosts`);
  return undefined;
}

function asksToUpgrade({ upgrade, connection = "" }: HttpRequest["headers"]): boolean {
  return upgrade !== undefined && /(^|,)\s*upgrade\s*(,|$)/i.test(connection);
}

/** As curl and Java's HttpClient do by themselves: they take HTTP/1.1 too; who wants another protocol does not. Source: RFC 7540, 3.2. */
function offersHttp2({ upgrade }: HttpRequest["headers"]): boolean {
  return upgrade?.trim().toLowerCase() === "h2c";
}

/** What is sent behind a request that asks to upgrade, node:http may throw away unread: nobody is to wait for an answer to it. */
function lastOfConnection(answer: HttpResponse): HttpResponse {
  return { ...answer, headers: { ...answer.headers, connection: "close" } };
}

const absoluteForm = /^https?:\/\/([^/?#@]+)(?=\/|$)/i;

/** What a client sends to a proxy, with an authority that is the same as Host. Source: RFC 9112, 3.2 and 3.2.2. */
function inOriginForm(request: HttpRequest): HttpRequest {
  const [start] = absoluteForm.exec(request.path) ?? [];
  if (start === undefined) return request;
  const { method, query, headers, body, signal, sent } = request;
  const path = request.path.slice(start.length) || "/";
  const whenAnswered = (call: () => void): void => request.whenAnswered(call);
  return { method, path, query, headers, body, signal, whenAnswered, ...(sent !== undefined && { sent }) };
}

function refusal(status: number, message: string): HttpResponse {
  return jsonResponse(
    status,
    { Type: "User", message },
    { "x-amzn-errortype": "InvalidRequestContentException", connection: "close" },
  );
}

/** What is told to a client whose bytes are no request. */
export function badRequestAnswer(problem: BadRequest): HttpResponse {
  switch (problem) {
    case "malformed":
      return refusal(400, "Cannot read the request: it is no HTTP/1.1");
    case "tooSlow":
      return jsonResponse(
        408,
        { Type: "User", message: "Cannot read the request: it did not arrive in time" },
        { "x-amzn-errortype": "RequestTimeoutException" },
      );
    case "otherProtocol":
      return refusal(505, "Cannot serve HTTP/2: this server speaks HTTP/1.1");
    case "headersTooLarge":
      return jsonResponse(
        413,
        { Type: "User", message: "Cannot read the request: its line and headers have more than 1 MB" },
        { "x-amzn-errortype": "SerializedRequestEntityTooLargeException" },
      );
  }
}
