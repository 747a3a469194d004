/** Brings bytes from a server that is not trusted to a file: tries again, goes on where it broke, ends at a bound. */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher } from "undici";
import type { AddressRules } from "./address-rules.ts";
import { unzippedLimitBytes } from "./archive-limits.ts";
import { checkedLookup, resolveHostByDns, type ResolveHost } from "./checked-lookup.ts";
import { PackageError } from "./package-error.ts";
import type { StagedContent } from "./store.ts";

export interface FetcherOptions {
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

export interface Connection {
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
  readonly rules: AddressRules;
}

/** What is fetched, and how its server is spoken to. */
export interface Origin {
  /** Quoted, without secrets: for messages. */
  readonly title: string;
  /** Hex of what the bytes must be; absent: anything. */
  readonly sha256?: string | undefined;
  /** What its server has promised: then other bytes, or more, are its fault and not the user's. */
  readonly promised?: { readonly bytes: number } | undefined;
  /** Of what is the same for ever under its name: may be continued whatever the server calls it. */
  readonly validator?: string | undefined;
  /** One request, after whatever redirects; `headers` are to be sent with it. */
  request(connection: Connection, headers: Readonly<Record<string, string>>): Promise<Dispatcher.ResponseData>;
  /** Headers that ask for the bytes from `start` on, of the same thing only. */
  continueAt(start: number, validator: string): Readonly<Record<string, string>>;
  /** Of any other status than 200, 206 and 304. */
  refuse(answer: Dispatcher.ResponseData): Promise<PackageError>;
}

export interface BytesRequest {
  readonly origin: Origin;
  readonly into: StagedContent;
  /** Validator of what is there already: then nothing may be staged, and the answer is `unchanged`. */
  readonly known?: string | undefined;
}

/** `validator`: what the server calls these bytes, if that is worth something. */
export type BytesFetched =
  { readonly type: "fetched"; readonly validator?: string | undefined } | { readonly type: "unchanged" };

type Settings = Required<Omit<FetcherOptions, "signal">>;

interface Fetching extends BytesRequest {
  readonly settings: Settings;
  readonly connection: Connection;
  /** Of the answer whose bytes are staged: only the same thing may be continued. */
  validator: string | undefined;
}

/** Returns a function that fills staged content; it throws PackageError, SourceUnreachable where another try may help. */
export function createBytesFetcher(options: FetcherOptions): (request: BytesRequest) => Promise<BytesFetched> {
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
      const connection = { dispatcher, signal, rules };
      return await fetchWithTries({ ...wanted, settings, connection, validator: undefined });
    } finally {
      await dispatcher.destroy();
    }
  };
}

/** Who is to wait longer asks again another time, ms. */
const longestWaitMs = 20_000;

async function fetchWithTries(fetching: Fetching): Promise<BytesFetched> {
  const { settings, into, connection, origin } = fetching;
  for (let attempt = 1; ; attempt++) {
    try {
      if (await fetchOnce(fetching)) return { type: "unchanged" };
      requireDigest(fetching);
      return { type: "fetched", validator: fetching.validator };
    } catch (error) {
      const failure = toPackageError(error, fetching, origin);
      const isOver = connection.signal.aborted || attempt >= settings.tries;
      if (failure.code !== "SourceUnreachable" || isOver) throw failure;
      if (fetching.validator === undefined) await into.reset();
      const waitMs = Math.max(failure.retryAfterMs ?? 0, settings.firstWaitMs * 2 ** (attempt - 1));
      if (waitMs > longestWaitMs) throw failure;
      await sleep(waitMs, undefined, { signal: connection.signal }).catch(() => undefined);
    }
  }
}

/** True when what is known is still so. */
async function fetchOnce(fetching: Fetching): Promise<boolean> {
  const { into, validator, origin, connection, known } = fetching;
  const isGoingOn = into.bytes > 0 && validator !== undefined;
  const first = known === undefined ? {} : { "if-none-match": known };
  const answer = await origin.request(connection, isGoingOn ? origin.continueAt(into.bytes, validator) : first);
  try {
    if (answer.statusCode === 304 && known !== undefined && !isGoingOn) return true;
    await takeBody(fetching, answer);
    return false;
  } finally {
    answer.body.on("error", () => undefined).destroy();
  }
}

async function takeBody(fetching: Fetching, answer: Dispatcher.ResponseData): Promise<void> {
  const { into, settings, origin } = fetching;
  const { statusCode, headers, body } = answer;
  if (statusCode === 206 && into.bytes > 0) {
    const start = /^bytes (\d+)-/.exec(String(headers["content-range"] ?? ""))?.[1];
    if (Number(start) !== into.bytes) {
      fetching.validator = undefined;
      throw unreachable(origin, `it answered another range than was asked for`);
    }
  } else if (statusCode === 200) {
    await into.reset();
    fetching.validator = origin.validator ?? validatorOf(headers);
  } else {
    // What was asked for is no part of what is there now.
    if (statusCode === 416 || statusCode === 412) fetching.validator = undefined;
    throw await origin.refuse(answer);
  }
  const limitBytes = Math.min(settings.limitBytes, origin.promised?.bytes ?? Infinity);
  const announced = Number(headers["content-length"] ?? 0);
  if (into.bytes + announced > limitBytes) throw tooLarge(origin, limitBytes);
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (into.bytes + chunk.length > limitBytes) throw tooLarge(origin, limitBytes);
    await into.write(chunk);
  }
  if (origin.promised !== undefined && into.bytes < origin.promised.bytes)
    throw unreachable(origin, `it ended after ${into.bytes} of ${origin.promised.bytes} bytes`);
}

/** A strong validator: a weak one vouches for no byte. Source: RFC 9110, 13.1.5. */
function validatorOf(headers: Dispatcher.ResponseData["headers"]): string | undefined {
  const { etag, "last-modified": lastModified } = headers;
  if (typeof etag === "string" && etag.startsWith('"')) return etag;
  return typeof lastModified === "string" ? lastModified : undefined;
}

function requireDigest({ into, origin: { sha256, title, promised } }: Fetching): void {
  const digest = into.digest();
  if (sha256 === undefined || digest === `sha256:${sha256}`) return;
  const message = `Cannot use ${title}: its sha256 is ${digest.slice("sha256:".length)}, want ${sha256}`;
  throw new PackageError(promised === undefined ? "DigestMismatch" : "SourceCorrupt", message);
}

export function unreachable({ title }: Pick<Origin, "title">, why: string, cause?: unknown): PackageError {
  return new PackageError("SourceUnreachable", `Cannot fetch ${title}: ${why}`, { cause });
}

function tooLarge({ title, promised }: Origin, limitBytes: number): PackageError {
  if (promised?.bytes === limitBytes)
    return new PackageError("SourceCorrupt", `Cannot use ${title}: it is longer than the ${limitBytes} bytes promised`);
  return new PackageError("CodeTooLarge", `Cannot fetch ${title}: longer than ${limitBytes} bytes`);
}

function toPackageError(error: unknown, { connection: { signal }, settings }: Fetching, origin: Origin): PackageError {
  if (error instanceof PackageError) return error;
  if (signal.aborted) {
    const isLate = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
    const why = isLate ? `not complete within ${settings.deadlineMs} ms` : "the process is about to end";
    return unreachable(origin, why, error);
  }
  if (!(error instanceof Error) || !("code" in error)) throw error;
  if (error.code === "ENOSPC" || error.code === "EIO" || error.code === "EROFS") throw error;
  return unreachable(origin, `the connection failed (${String(error.code)})`, error);
}
