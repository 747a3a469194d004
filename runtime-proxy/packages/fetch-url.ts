/** Fetches what a user's url points to, without trusting url, name service, server or bytes. */
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request, type Dispatcher } from "undici";
import type { AddressRules } from "./address-rules.ts";
import { unzippedLimitBytes } from "./archive-limits.ts";
import { checkedLookup, requireReachable, resolveHostByDns, type ResolveHost } from "./checked-lookup.ts";
import { PackageError, quote } from "./package-error.ts";
import type { FetchRequest } from "./resolver.ts";
import type { StagedContent } from "./store.ts";

export interface UrlFetcherOptions {
  readonly rules: AddressRules;
  /** Longest time for one source with all its tries, ms; default 600,000. */
  readonly deadlineMs?: number;
  /** Longest silence of a server, ms; default 30,000. */
  readonly silenceMs?: number;
  /** Requests for one source, redirects not counted; default 5. */
  readonly tries?: number;
  /** Wait before the second try, ms; doubles each time; default 200. */
  readonly firstWaitMs?: number;
  /** Default 262,144,000. */
  readonly limitBytes?: number;
  readonly resolveHost?: ResolveHost;
  /** Ends all fetches. */
  readonly signal?: AbortSignal;
}

type Settings = Required<Omit<UrlFetcherOptions, "signal">>;

interface Fetching extends FetchRequest {
  readonly settings: Settings;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  /** Of the answer whose bytes are staged: only the same thing may be continued. */
  validator?: string | undefined;
}

const redirectLimit = 5;

/** Returns a function that fills staged content from a url; it throws PackageError, SourceUnreachable where another try may help. */
export function createUrlFetcher(options: UrlFetcherOptions): (request: FetchRequest) => Promise<void> {
  const settings: Settings = {
    deadlineMs: 600_000,
    silenceMs: 30_000,
    tries: 5,
    firstWaitMs: 200,
    limitBytes: unzippedLimitBytes,
    resolveHost: resolveHostByDns,
    ...options,
  };
  return async (wanted) => {
    const { silenceMs, deadlineMs, rules, resolveHost } = settings;
    const dispatcher = new Agent({
      connect: { lookup: checkedLookup(rules, resolveHost), timeout: Math.min(10_000, silenceMs) },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      maxHeaderSize: 32 * 1024,
    });
    const deadline = AbortSignal.timeout(deadlineMs);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    try {
      await fetchWithTries({ ...wanted, settings, dispatcher, signal });
    } finally {
      await dispatcher.destroy();
    }
  };
}

async function fetchWithTries(fetching: Fetching): Promise<void> {
  const { settings, into, signal } = fetching;
  const url = parseUrl(fetching.url);
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchOnce(fetching, url);
      requireDigest(fetching, url);
      return;
    } catch (error) {
      const failure = toPackageError(error, fetching, url);
      if (failure.code !== "SourceUnreachable" || signal.aborted || attempt >= settings.tries) throw failure;
      if (fetching.validator === undefined) await into.reset();
      await sleep(settings.firstWaitMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
    }
  }
}

async function fetchOnce(fetching: Fetching, url: URL): Promise<void> {
  const { into, validator } = fetching;
  const rangeHeaders =
    into.bytes > 0 && validator !== undefined ? { range: `bytes=${into.bytes}-`, "if-range": validator } : {};
  const answer = await follow(fetching, url, rangeHeaders);
  try {
    await takeBody(fetching, url, answer);
  } finally {
    answer.body.on("error", () => undefined).destroy();
  }
}

/** The first answer that is no redirect; each hop is checked like the first, and credentials stay with their origin. */
async function follow(fetching: Fetching, url: URL, headers: Record<string, string>): Promise<Dispatcher.ResponseData> {
  let hop = url;
  for (let redirects = 0; redirects <= redirectLimit; redirects++) {
    const hostname = hop.hostname.replace(/^\[|\]$/g, "");
    if (isIP(hostname) !== 0) requireReachable(fetching.settings.rules, hostname, hostname);
    const answer = await request(`${hop.origin}${hop.pathname}${hop.search}`, {
      dispatcher: fetching.dispatcher,
      signal: fetching.signal,
      headers: { ...headers, "accept-encoding": "identity", "user-agent": "kubelambda", ...credentials(url, hop) },
    });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.statusCode) || typeof location !== "string") return answer;
    answer.body.on("error", () => undefined).destroy();
    hop = parseUrl(location, hop);
  }
  throw new PackageError("SourceRefused", `Cannot fetch ${show(url)}: more than ${redirectLimit} redirects`);
}

function credentials(url: URL, hop: URL): Record<string, string> {
  const own = hop.username !== "" || hop.password !== "" ? hop : url.origin === hop.origin ? url : undefined;
  if (own === undefined || (own.username === "" && own.password === "")) return {};
  const pair = `${decode(own.username)}:${decode(own.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function takeBody(fetching: Fetching, url: URL, answer: Dispatcher.ResponseData): Promise<void> {
  const { into, settings } = fetching;
  const { statusCode, headers, body } = answer;
  if (statusCode === 206 && into.bytes > 0) {
    const start = /^bytes (\d+)-/.exec(String(headers["content-range"] ?? ""))?.[1];
    if (Number(start) !== into.bytes) {
      fetching.validator = undefined;
      throw unreachable(url, `it answered another range than was asked for`);
    }
  } else if (statusCode === 200) {
    await into.reset();
    fetching.validator = validatorOf(headers);
  } else {
    if (statusCode === 416) fetching.validator = undefined;
    throw unreachable(url, `it answered ${statusCode}`);
  }
  const announced = Number(headers["content-length"] ?? 0);
  if (into.bytes + announced > settings.limitBytes) throw tooLarge(url, settings.limitBytes);
  for await (const chunk of body as AsyncIterable<Buffer>)
    await add(into, chunk, () => tooLarge(url, settings.limitBytes), settings);
}

async function add(into: StagedContent, chunk: Buffer, fail: () => PackageError, settings: Settings): Promise<void> {
  if (into.bytes + chunk.length > settings.limitBytes) throw fail();
  await into.write(chunk);
}

/** A strong validator: a weak one vouches for no byte. Source: RFC 9110, 13.1.5. */
function validatorOf(headers: Dispatcher.ResponseData["headers"]): string | undefined {
  const { etag, "last-modified": lastModified } = headers;
  if (typeof etag === "string" && etag.startsWith('"')) return etag;
  return typeof lastModified === "string" ? lastModified : undefined;
}

function requireDigest({ into, sha256 }: Fetching, url: URL): void {
  const digest = into.digest();
  if (digest === `sha256:${sha256}`) return;
  const message = `Cannot use ${show(url)}: its sha256 is ${digest.slice("sha256:".length)}, want ${sha256}`;
  throw new PackageError("DigestMismatch", message);
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null) throw new PackageError("SourceRefused", "Cannot fetch the url: it is malformed");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new PackageError(
      "SourceRefused",
      `Cannot fetch ${quote(`${url.protocol}…`)}: only http and https are fetched`,
    );
  }
  return url;
}

/** A url without user, password, query and fragment: each may hold a secret. */
function show(url: URL): string {
  return quote(`${url.origin}${url.pathname}${url.search === "" ? "" : "?…"}`);
}

function unreachable(url: URL, why: string, cause?: unknown): PackageError {
  return new PackageError("SourceUnreachable", `Cannot fetch ${show(url)}: ${why}`, { cause });
}

function tooLarge(url: URL, limitBytes: number): PackageError {
  return new PackageError("CodeTooLarge", `Cannot fetch ${show(url)}: longer than ${limitBytes} bytes`);
}

function toPackageError(error: unknown, { signal, settings }: Fetching, url: URL): PackageError {
  if (error instanceof PackageError) return error;
  if (signal.aborted) {
    const isLate = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
    const why = isLate ? `not complete within ${settings.deadlineMs} ms` : "the package store is about to end";
    return unreachable(url, why, error);
  }
  if (!(error instanceof Error) || !("code" in error)) throw error;
  if (error.code === "ENOSPC" || error.code === "EIO" || error.code === "EROFS") throw error;
  return unreachable(url, `the connection failed (${String(error.code)})`, error);
}
