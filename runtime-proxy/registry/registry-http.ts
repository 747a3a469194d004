/** Requests to registries and the servers they send one to, trusting neither address nor size nor time. */
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import { Agent, request, type Dispatcher } from "undici";
import { BodyTooLargeError, readBody } from "../../lib/http/read-body.ts";
import type { AddressRules } from "../packages/address-rules.ts";
import { checkedLookup, requireReachable, resolveHostByDns, type ResolveHost } from "../packages/checked-lookup.ts";
import { PackageError } from "../packages/package-error.ts";
import { quote, RegistryError } from "./registry-error.ts";

export interface RegistryAccess {
  readonly rules: AddressRules;
  /** `host` or `host:port`: reached wherever it is. */
  readonly privateHosts: readonly string[];
  /** The same, and spoken to without TLS. */
  readonly plainHttpHosts: readonly string[];
  /** Certificates (PEM) of authorities that are trusted beside the public ones; empty: none. */
  readonly caBundle?: string | undefined;
  readonly resolveHost?: ResolveHost;
  /** Longest silence of a server, ms; default 10,000. */
  readonly silenceMs?: number;
}

export interface RegistryRequest {
  readonly url: URL;
  readonly method?: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

const redirectLimit = 5;
const redirects: readonly number[] = [301, 302, 303, 307, 308];
const remedy = 'the chart value "packages.registries.privateHosts" can allow it';

/** Connections for one look at one image; `close` ends them. */
export class RegistryHttp {
  readonly #access: RegistryAccess;
  readonly #checked: Agent;
  readonly #open: Agent;

  constructor(access: RegistryAccess) {
    this.#access = access;
    const { silenceMs = 10_000, rules, resolveHost = resolveHostByDns, caBundle = "" } = access;
    const timeouts = { headersTimeout: silenceMs, bodyTimeout: silenceMs, maxHeaderSize: 32 * 1024 };
    const connect = { timeout: silenceMs, ...(caBundle !== "" && { ca: [...rootCertificates, caBundle] }) };
    const lookup = checkedLookup(rules, resolveHost, remedy);
    this.#checked = new Agent({ ...timeouts, connect: { ...connect, lookup } });
    this.#open = new Agent({ ...timeouts, connect });
  }

  /** `https`, but where plain HTTP is allowed. */
  baseUrl(host: string): string {
    return `${this.#access.plainHttpHosts.includes(host) ? "http" : "https"}://${host}`;
  }

  /** The whole answer, of at most so many bytes. Throws RegistryError. */
  async send(wanted: RegistryRequest & { readonly limitBytes: number }): Promise<RegistryAnswer> {
    const answer = await this.open(wanted);
    try {
      return await readAnswer(answer, wanted.limitBytes);
    } catch (error) {
      throw toRegistryError(error, wanted.url, wanted.signal);
    }
  }

  /** Follows redirects, each hop checked like the first; `authorization` stays with its origin. Throws RegistryError. The body is the caller's to read and end. */
  async open(wanted: RegistryRequest): Promise<Dispatcher.ResponseData> {
    const { authorization, ...others } = wanted.headers ?? {};
    let hop = wanted.url;
    for (let count = 0; count <= redirectLimit; count++) {
      const isOwn = hop.origin === wanted.url.origin;
      const headers = { ...others, ...(isOwn && authorization !== undefined && { authorization }) };
      const answer = await this.#openOnce({ ...wanted, url: hop, headers });
      const { location } = answer.headers;
      if (!redirects.includes(answer.statusCode) || typeof location !== "string") return answer;
      answer.body.on("error", () => undefined).destroy();
      hop = parseUrl(location, hop);
      // What is sent in a body is a secret.
      if (wanted.body !== undefined && hop.origin !== wanted.url.origin) {
        throw new RegistryError("ImageRefused", `Cannot ask ${show(wanted.url)} for a token: it sends us elsewhere`);
      }
    }
    throw new RegistryError("ImageRefused", `Cannot read ${show(wanted.url)}: more than ${redirectLimit} redirects`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#checked.destroy(), this.#open.destroy()]);
  }

  async #openOnce({
    url,
    method = "GET",
    headers = {},
    body,
    signal,
  }: RegistryRequest): Promise<Dispatcher.ResponseData> {
    try {
      return await request(url, {
        dispatcher: this.#dispatcherFor(url),
        method,
        signal,
        headers: { "user-agent": "kubelambda", "accept-encoding": "identity", ...headers },
        ...(body !== undefined && { body }),
      });
    } catch (error) {
      throw toRegistryError(error, url, signal);
    }
  }

  #dispatcherFor(url: URL): Dispatcher {
    const { plainHttpHosts, privateHosts, rules } = this.#access;
    if (url.protocol !== "https:" && !plainHttpHosts.includes(url.host)) {
      const message = `Cannot read ${show(url)}: it is not https; the chart value "packages.registries.plainHTTPHosts" can allow it`;
      throw new RegistryError("ImageRefused", message);
    }
    if (plainHttpHosts.includes(url.host) || privateHosts.includes(url.host)) return this.#open;
    const address = url.hostname.replace(/^\[|\]$/g, "");
    if (isIP(address) !== 0) requireReachable(rules, address, address, remedy);
    return this.#checked;
  }
}

/** A url without user, password, query and fragment: each may hold a secret. */
export function show(url: URL): string {
  return quote(`${url.origin}${url.pathname}`);
}

export function parseUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url !== null) return url;
  throw new RegistryError("ImageRefused", "Cannot follow the registry: it names a url that is malformed");
}

/** Reads an answer to its end, or to the bound. */
export async function readAnswer(answer: Dispatcher.ResponseData, limitBytes: number): Promise<RegistryAnswer> {
  const { statusCode: status, headers, body } = answer;
  try {
    return { status, headers: flat(headers), body: await readBody(body, limitBytes) };
  } finally {
    body.on("error", () => undefined).destroy();
  }
}

export function flat(headers: Dispatcher.ResponseData["headers"]): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
  );
}

function toRegistryError(cause: unknown, url: URL, signal: AbortSignal): unknown {
  if (cause instanceof RegistryError) return cause;
  if (cause instanceof PackageError) {
    const code = cause.code === "SourceRefused" ? "ImageRefused" : "RegistryUnreachable";
    return new RegistryError(code, cause.message, { cause });
  }
  if (cause instanceof BodyTooLargeError) {
    return new RegistryError("InvalidImage", `Cannot read ${show(url)}: longer than ${cause.limitBytes} bytes`, {
      cause,
    });
  }
  return new RegistryError("RegistryUnreachable", `Cannot read ${show(url)}: ${whyNot(cause, signal)}`, { cause });
}

function whyNot(cause: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "no answer in time";
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  const isUntrusted = untrustedCodes.has(code);
  const hint = isUntrusted ? '; the chart value "packages.registries.caBundle" names a private authority' : "";
  return `the connection failed (${code})${hint}`;
}

/** Of OpenSSL, when nobody whom we trust has signed a certificate. */
const untrustedCodes: ReadonlySet<string> = new Set([
  ...["SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_GET_ISSUER_CERT"],
  ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
]);
