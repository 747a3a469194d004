/** The requests that one image or artifact takes, with one proof for all of them. Source: OCI distribution specification 1.1, "Pull". */
import { createHash } from "node:crypto";
import type { Dispatcher } from "undici";
import { parseRetryAfter } from "../retry-after.ts";
import { authorize, parseJson, unauthorized } from "./authorization.ts";
import type { Credentials } from "./credentials.ts";
import { apiHost, type ImageReference } from "./image-reference.ts";
import { isIndex, manifestTypes, members } from "./manifests.ts";
import { quote, RegistryError } from "./registry-error.ts";
import { flat, readAnswer, type RegistryAnswer, type RegistryHttp, type RegistryRequest } from "./registry-http.ts";

/** Source: distribution specification: registries should take manifests of 4 MiB. */
const manifestLimitBytes = 4 * 1024 * 1024;
const refusalLimitBytes = 64 * 1024;
const accepted = [...manifestTypes.index, ...manifestTypes.manifest].join(", ");

export interface SessionParts {
  readonly http: RegistryHttp;
  readonly reference: ImageReference;
  readonly credentials: Credentials | undefined;
  /** What is read, for messages: `image "…"`. */
  readonly title: string;
  /** Where its user names a pull secret. */
  readonly secretField: string;
  readonly signal: AbortSignal;
}

export interface Manifest {
  /** Of the bytes that came. */
  readonly digest: string;
  readonly value: unknown;
  readonly isIndex: boolean;
}

export class RegistrySession {
  readonly #parts: SessionParts;
  #authorization: string | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** What the reference names, without a byte of it; undefined where the registry does not say so. */
  async headDigest(): Promise<string | undefined> {
    const { status, headers } = await this.#send("HEAD", `manifests/${this.#name()}`, 0);
    return status === 200 ? headers["docker-content-digest"] : undefined;
  }

  /** By digest, or absent: what the reference names. Throws RegistryError. */
  async manifest(digest?: string): Promise<Manifest> {
    const name = digest ?? this.#name();
    const answer = await this.#send("GET", `manifests/${name}`, manifestLimitBytes);
    this.#requireFound(answer, `manifest ${quote(name)}`);
    const want = name.startsWith("sha256:") ? name : answer.headers["docker-content-digest"];
    const own = this.#checkDigest(answer, want);
    const value = parseJson(answer.body);
    return { digest: own, value, isIndex: isIndex(this.#parts.title, value, answer.headers["content-type"] ?? "") };
  }

  /** A small part, checked. */
  async blob(digest: string, what: string, limitBytes: number): Promise<unknown> {
    const answer = await this.#send("GET", `blobs/${digest}`, limitBytes);
    this.#requireFound(answer, `${what} "${digest}"`);
    this.#checkDigest(answer, digest);
    return parseJson(answer.body);
  }

  /** A large part, as it comes: status and bytes are the caller's to check. */
  async openBlob(digest: string, headers: Readonly<Record<string, string>>): Promise<Dispatcher.ResponseData> {
    return await this.#authorized(`blobs/${digest}`, async (path, authorization) => {
      const answer = await this.#parts.http.open(this.#request("GET", path, { ...headers, ...authorization }));
      if (answer.statusCode !== 401) return { answer };
      return { answer, challenge: await readRefusal(answer) };
    });
  }

  /** Why a part cannot be had, in the registry's words. */
  async refusalOf(answer: Dispatcher.ResponseData, what: string): Promise<RegistryError> {
    return this.#refusal(await readRefusal(answer), what);
  }

  #name(): string {
    const { tag, digest } = this.#parts.reference;
    return digest ?? tag ?? "latest";
  }

  #requireFound(answer: RegistryAnswer, what: string): void {
    if (answer.status !== 200) throw this.#refusal(answer, what);
  }

  #refusal({ status, body, headers }: RegistryAnswer, what: string): RegistryError {
    if (status === 401 || status === 403)
      return unauthorized(this.#parts, `the registry refuses its ${what} (${status}${said(body)})`);
    const retryAfterMs = parseRetryAfter(headers["retry-after"], Date.now());
    const code = status === 404 ? "ImageNotFound" : "RegistryUnreachable";
    const why = status === 404 ? `the registry has no ${what}` : `the registry answered ${status} for its ${what}`;
    const wish = retryAfterMs === undefined ? "" : `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
    return new RegistryError(code, `Cannot read ${this.#parts.title}: ${why}${said(body)}${wish}`, { retryAfterMs });
  }

  /** Of the bytes that came; `want` is what they should have, where that is known. */
  #checkDigest({ body }: RegistryAnswer, want: string | undefined): string {
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    if (want === undefined || !want.startsWith("sha256:") || want === digest) return digest;
    const message = `Cannot use ${this.#parts.title}: the registry sent ${digest} for ${quote(want)}`;
    throw new RegistryError("DigestMismatch", message);
  }

  async #send(method: "GET" | "HEAD", path: string, limitBytes: number): Promise<RegistryAnswer> {
    const accept = path.startsWith("blobs/") ? "*/*" : accepted;
    return await this.#authorized(path, async (_, authorization) => {
      const wanted = this.#request(method, path, { accept, ...authorization });
      const answer = await this.#parts.http.send({ ...wanted, limitBytes });
      return { answer, ...(answer.status === 401 && { challenge: answer }) };
    });
  }

  #request(method: "GET" | "HEAD", path: string, headers: Readonly<Record<string, string>>): RegistryRequest {
    const { http, reference, signal } = this.#parts;
    const url = new URL(`${http.baseUrl(apiHost(reference))}/v2/${reference.repository}/${path}`);
    return { url, method, headers, signal };
  }

  /** Once without proof, or with the one that worked before, and once with what the registry asks for: a proof may have expired. */
  async #authorized<T>(
    path: string,
    ask: (path: string, headers: Readonly<Record<string, string>>) => Promise<Asked<T>>,
  ): Promise<T> {
    const proof = () => (this.#authorization === undefined ? {} : { authorization: this.#authorization });
    const first = await ask(path, proof());
    if (first.challenge === undefined) return first.answer;
    const { http, reference, credentials, title, secretField, signal } = this.#parts;
    const { repository } = reference;
    this.#authorization = await authorize(
      { http, title, secretField, repository, credentials, signal },
      first.challenge,
    );
    return (await ask(path, proof())).answer;
  }
}

interface Asked<T> {
  readonly answer: T;
  /** It wants a proof. */
  readonly challenge?: RegistryAnswer;
}

/** What is wrong stands in its status; what it says of that may be missing. */
async function readRefusal(answer: Dispatcher.ResponseData): Promise<RegistryAnswer> {
  const { statusCode: status, headers } = answer;
  const nothing = { status, headers: flat(headers), body: Buffer.alloc(0) };
  return await readAnswer(answer, refusalLimitBytes).catch(() => nothing);
}

/** What the registry says in its own words. Source: distribution specification, "Error Codes". */
function said(body: Buffer): string {
  const { errors } = members(parseJson(body));
  const { code, message } = members(Array.isArray(errors) ? errors[0] : undefined);
  const words = [code, message].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : `: ${quote(words.join(": "))}`;
}
