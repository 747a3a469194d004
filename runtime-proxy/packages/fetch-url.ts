/** Fetches what a user's url points to, without trusting url, name service, server or bytes. */
import { isIP } from "node:net";
import { request, type Dispatcher } from "undici";
import { requireReachable } from "./checked-lookup.ts";
import { createBytesFetcher, unreachable, type Connection, type FetcherOptions } from "./fetch-bytes.ts";
import { PackageError, quote } from "./package-error.ts";
import type { FetchRequest } from "./resolver.ts";

export type UrlFetcherOptions = FetcherOptions;

const redirectLimit = 5;

/** Returns a function that fills staged content from a url; it throws PackageError, SourceUnreachable where another try may help. */
export function createUrlFetcher(options: UrlFetcherOptions): (request: FetchRequest) => Promise<void> {
  const fetchBytes = createBytesFetcher(options);
  return async ({ url: text, sha256, into, authorization }) => {
    const url = parseUrl(text);
    const origin = {
      title: show(url),
      sha256,
      request: (connection: Connection, headers: Readonly<Record<string, string>>) =>
        follow(connection, { url, authorization }, headers),
      continueAt: (start: number, validator: string) => ({ range: `bytes=${start}-`, "if-range": validator }),
      refuse: ({ statusCode }: Dispatcher.ResponseData) =>
        Promise.resolve(unreachable(origin, `it answered ${statusCode}`)),
    };
    await fetchBytes({ origin, into });
  };
}

interface Start {
  readonly url: URL;
  /** For the url's own origin. */
  readonly authorization: string | undefined;
}

/** The first answer that is no redirect; each hop is checked like the first, and credentials stay with their origin. */
async function follow(
  { dispatcher, signal, rules }: Connection,
  start: Start,
  headers: Readonly<Record<string, string>>,
): Promise<Dispatcher.ResponseData> {
  let hop = start.url;
  for (let redirects = 0; redirects <= redirectLimit; redirects++) {
    const hostname = hop.hostname.replace(/^\[|\]$/g, "");
    if (isIP(hostname) !== 0) requireReachable(rules, hostname, hostname);
    const answer = await request(`${hop.origin}${hop.pathname}${hop.search}`, {
      dispatcher,
      signal,
      headers: { ...headers, "accept-encoding": "identity", "user-agent": "kubelambda", ...credentials(start, hop) },
    });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.statusCode) || typeof location !== "string") return answer;
    answer.body.on("error", () => undefined).destroy();
    hop = parseUrl(location, hop);
  }
  throw new PackageError("SourceRefused", `Cannot fetch ${show(start.url)}: more than ${redirectLimit} redirects`);
}

function credentials({ url, authorization }: Start, hop: URL): Record<string, string> {
  if (authorization !== undefined && url.origin === hop.origin) return { authorization };
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
