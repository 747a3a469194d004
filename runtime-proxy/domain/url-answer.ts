/** From what a function answers to the HTTP response of its URL. Source: Lambda developer guide, urls-invocation; LocalStack's recordings of AWS. */
import { endToEnd } from "./url-event.ts";

export interface UrlResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Absent: there is none. */
  readonly body?: Uint8Array | string;
}

/** Undefined: the function's answer is none that can be sent on. */
export type UrlAnswer = UrlResponse | undefined;

/** What handlers may say of a response; every member may be of any type. */
interface Described {
  readonly statusCode?: unknown;
  readonly headers?: unknown;
  readonly cookies?: unknown;
  readonly body?: unknown;
  readonly isBase64Encoded?: unknown;
}

export const JSON_TYPE = "application/json";

/** Longest headers, and longest cookies, of an answer, in bytes: more than any client takes. */
export const LONGEST_HEAD_BYTES = 256 * 1024;

/** Maps a whole answer; one that is no JSON is passed on as it is. */
export function urlAnswer(payload: Uint8Array): UrlAnswer {
  const value = parseJson(payload);
  if (typeof value === "string") return { status: 200, headers: { "content-type": JSON_TYPE }, body: value };
  if (!isObject(value) || !("statusCode" in value)) {
    // As it was written but for white space: a number that JavaScript cannot hold stays what it is.
    const body = value === undefined ? payload : compactJson(payload);
    return { status: 200, headers: { "content-type": JSON_TYPE }, body };
  }
  const head = responseHead(value);
  const body = responseBody(value);
  return head === undefined || body === undefined ? undefined : { ...head, body };
}

/** Status, headers and cookies, as an answer or the prelude of a stream describes them. */
export function responseHead(described: Described): Omit<UrlResponse, "body"> | undefined {
  const status = toStatus(described.statusCode);
  const headers = toHeaders(described.headers);
  const cookies = toCookies(described.cookies);
  if (status === undefined || headers === undefined || cookies === undefined) return undefined;
  const all: Record<string, string | readonly string[]> = { "content-type": JSON_TYPE, ...headers };
  if (cookies.length > 0)
    all["set-cookie"] = [...(headers["set-cookie"] === undefined ? [] : [headers["set-cookie"]]), ...cookies];
  return { status, headers: all };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Undefined: it is no JSON. */
export function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload)) as unknown;
  } catch {
    return undefined;
  }
}

const [quote, backslash] = [0x22, 0x5c];
const whiteSpace: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Valid JSON without the white space between its tokens. */
function compactJson(json: Uint8Array): Uint8Array {
  const compact = new Uint8Array(json.length);
  let length = 0;
  let isInText = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] ?? 0;
    if (!isInText && whiteSpace.has(byte)) continue;
    compact[length++] = byte;
    if (byte === quote) isInText = !isInText;
    else if (isInText && byte === backslash) compact[length++] = json[++at] ?? 0;
  }
  return compact.subarray(0, length);
}

/** A number or its text. 1xx would leave the client waiting for the response itself. */
function toStatus(statusCode: unknown): number | undefined {
  const isNumber = typeof statusCode === "number" || (typeof statusCode === "string" && /^\d{3}$/.test(statusCode));
  const status = isNumber ? Number(statusCode) : Number.NaN;
  return Number.isInteger(status) && status >= 200 && status <= 599 ? status : undefined;
}

const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\t\x20-\x7e\u0080-\uffff]*$/;

function toHeaders(headers: unknown): Readonly<Record<string, string>> | undefined {
  if (headers === undefined || headers === null) return {};
  if (!isObject(headers)) return undefined;
  const all = new Map<string, string>();
  let bytes = 0;
  // Megabytes of them would hold up everybody's calls: no further than to the bound.
  for (const name in headers) {
    const value = headers[name];
    bytes += name.length;
    if (bytes > LONGEST_HEAD_BYTES) return undefined;
    if (value === null || value === undefined) continue;
    const text = headerText(value);
    if (!namePattern.test(name) || text === undefined || !valuePattern.test(text)) return undefined;
    const sent = toBytes(text);
    bytes += sent.length;
    all.set(name.toLowerCase(), sent);
  }
  if (bytes > LONGEST_HEAD_BYTES) return undefined;
  const kept = endToEnd(all);
  // Ours to say: what is sent may be encoded otherwise than what was described.
  kept.delete("content-length");
  return Object.fromEntries(kept);
}

function headerText(value: unknown): string | undefined {
  return Array.isArray(value) ? listTexts(value)?.join(",") : plainText(value);
}

function toCookies(cookies: unknown): readonly string[] | undefined {
  if (cookies === undefined || cookies === null) return [];
  if (!Array.isArray(cookies)) return undefined;
  const texts = listTexts(cookies);
  return texts?.every((text) => valuePattern.test(text)) === true ? texts.map(toBytes) : undefined;
}

/** Each item counts as one more: it is a header of its own, or has a comma. */
function listTexts(list: readonly unknown[]): readonly string[] | undefined {
  const texts: string[] = [];
  let length = 0;
  for (const item of list) {
    const text = plainText(item);
    length += 1 + (text?.length ?? 0);
    if (text === undefined || length > LONGEST_HEAD_BYTES) return undefined;
    texts.push(text);
  }
  return texts;
}

/** Of a text, a number, a truth value or null: of an object String() may throw, whose `toString` is the function's. */
function plainText(value: unknown): string | undefined {
  return typeof value === "object" && value !== null ? undefined : String(value);
}

/** HTTP takes header values byte by byte: what is beyond Latin-1 goes as UTF-8. */
function toBytes(text: string): string {
  return /[^\x00-\xff]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

const base64Pattern = /^[A-Za-z0-9+/_-]*={0,2}$/;

function responseBody({ body, isBase64Encoded }: Described): Uint8Array | string | undefined {
  if (body === undefined || body === null) return "";
  const text = typeof body === "string" ? body : toJson(body);
  if (text === undefined || isBase64Encoded !== true) return text;
  const base64 = text.replace(/[\r\n]/g, "");
  return base64Pattern.test(base64) ? Buffer.from(base64, "base64") : undefined;
}

/** Undefined: it lies deeper than can be written; reading has no such bound. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
