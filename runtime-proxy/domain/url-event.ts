/** From an HTTP request to the event of a function URL. Source: Lambda developer guide, urls-invocation; payload format 2.0. */

/** A request for a function URL, read whole. */
export interface UrlRequest {
  readonly method: string;
  /** Still percent-encoded, without what named the URL. */
  readonly path: string;
  /** As sent, without its `?`. */
  readonly query: string;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** `1.1`. */
  readonly httpVersion: string;
  readonly body: Uint8Array;
}

/** What the function is told of its caller and its call. */
export interface UrlCall {
  readonly urlId: string;
  /** 12 digits, or `anonymous`. */
  readonly accountId: string;
  /** Of a caller who has proved who it is. */
  readonly iam?: object;
  /** The caller's credentials were for the router: the function is not given what it could call others with. */
  readonly withholdsCredentials?: boolean;
  readonly requestId: string;
  /** Headers that stand for what the client sent of them; undefined: there is none, whatever the client sent. */
  readonly ownHeaders: Readonly<Record<string, string | undefined>>;
  readonly sourceIp: string;
  readonly nowMs: number;
  /** The same, ISO 8601. */
  readonly now: string;
}

/** Belong to one connection, not to the request. Source: RFC 9110, 7.6.1. */
const hopByHop: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"],
  ...["te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect"],
]);

/** Removes what belongs to one connection, also what `Connection` names. */
export function endToEnd(headers: ReadonlyMap<string, string>): Map<string, string> {
  const named = (headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase());
  return new Map([...headers].filter(([name]) => !hopByHop.has(name) && !named.includes(name)));
}

const textTypes = /^(?:text\/.*|application\/(?:json|xml|javascript))$/;

/** The event as an object for JSON. */
export function urlEvent(request: UrlRequest, call: UrlCall): object {
  const all = joinHeaders(request.rawHeaders);
  const cookies = splitCookies(request.rawHeaders);
  const headers = endToEnd(all);
  headers.delete("cookie");
  if (call.withholdsCredentials === true) withholdCredentials(headers);
  for (const [name, value] of Object.entries(call.ownHeaders)) {
    if (value === undefined) headers.delete(name);
    else headers.set(name, value);
  }
  const query = call.withholdsCredentials === true ? withoutSessionToken(request.query) : request.query;
  const parameters = queryParameters(query);
  const domainName = (all.get("host") ?? "").replace(/:\d*$/, "");
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: request.path,
    rawQueryString: query,
    ...(cookies.length > 0 && { cookies }),
    headers: Object.fromEntries(headers),
    ...(parameters.size > 0 && { queryStringParameters: Object.fromEntries(parameters) }),
    requestContext: {
      accountId: call.accountId,
      apiId: call.urlId,
      ...(call.iam !== undefined && { authorizer: { iam: call.iam } }),
      domainName,
      domainPrefix: call.urlId,
      http: {
        method: request.method,
        path: request.path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: call.sourceIp,
        userAgent: all.get("user-agent") ?? "",
      },
      requestId: call.requestId,
      routeKey: "$default",
      stage: "$default",
      time: logTime(call.now),
      timeEpoch: call.nowMs,
    },
    ...encodeBody(request.body, all.get("content-type")),
  };
}

const sessionToken = "x-amz-security-token";

/** A signature is good for its one request, which the function has anyway; a bearer token is its caller wherever it is shown, for as long as it lives. */
function withholdCredentials(headers: Map<string, string>): void {
  headers.delete(sessionToken);
  if (!/^AWS4-/.test(headers.get("authorization") ?? "")) headers.delete("authorization");
}

/** All else of the query stays as sent. */
function withoutSessionToken(query: string): string {
  if (!/x-amz-/i.test(query)) return query;
  const isToken = (pair: string): boolean =>
    [...new URLSearchParams(pair).keys()].some((name) => name.toLowerCase() === sessionToken);
  return query
    .split("&")
    .filter((pair) => !isToken(pair))
    .join("&");
}

/** Lower-case names, repeated ones joined with a comma; values are the bytes that came, as UTF-8 where they are. */
export function joinHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const joined = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    const value = fromBytes(rawHeaders[at + 1] ?? "");
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return joined;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** HTTP gives header values byte by byte. */
function fromBytes(latin1: string): string {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  return decodeUtf8(Uint8Array.from(latin1, (character) => character.charCodeAt(0))) ?? latin1;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function splitCookies(rawHeaders: readonly string[]): readonly string[] {
  return rawHeaders
    .flatMap((name, at) =>
      at % 2 === 0 && name.toLowerCase() === "cookie" ? [fromBytes(rawHeaders[at + 1] ?? "")] : [],
    )
    .flatMap((value) => value.split(";"))
    .map((cookie) => cookie.trim())
    .filter((cookie) => cookie !== "");
}

/** Decoded, repeated keys joined with a comma. */
function queryParameters(query: string): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return joined;
}

/** Text as text where it is one; anything else as base64. */
function encodeBody(body: Uint8Array, contentType = ""): { readonly body?: string; readonly isBase64Encoded: boolean } {
  if (body.length === 0) return { isBase64Encoded: false };
  const type = (contentType.split(";")[0] ?? "").trim().toLowerCase();
  const text = textTypes.test(type) ? decodeUtf8(body) : undefined;
  if (text !== undefined) return { body: text, isBase64Encoded: false };
  return { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64"), isBase64Encoded: true };
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `23/Nov/2026:04:05:06 +0000` */
function logTime(iso: string): string {
  const [, year, month, day, time] = /^(\d+)-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(iso) ?? [];
  return `${day}/${months[Number(month) - 1]}/${year}:${time} +0000`;
}
