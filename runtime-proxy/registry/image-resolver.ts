/** From an image's name to its digest and what it says of itself. Source: OCI distribution specification 1.1, "Pull". */
import { createHash } from "node:crypto";
import type { ImageAnswer, ResolvedImage, ResolveImageRequest } from "../../crds/wire/images.ts";
import { authorize, parseJson, unauthorized } from "./authorization.ts";
import type { Credentials } from "./credentials.ts";
import { apiHost, parseImageReference, pinnedReference, type ImageReference } from "./image-reference.ts";
import { isIndex, manifestTypes, members, pickManifest, readConfig, readManifest } from "./manifests.ts";
import { quote, RegistryError } from "./registry-error.ts";
import { RegistryHttp, type RegistryAccess, type RegistryAnswer } from "./registry-http.ts";

export interface ImageLookup extends Omit<ResolveImageRequest, "namespace"> {
  readonly credentials?: Credentials | undefined;
}

export interface ImageResolverOptions extends RegistryAccess {
  /** For everything that one image takes, ms; default 60,000. */
  readonly deadlineMs?: number;
  /** Ends all that is under way. */
  readonly signal?: AbortSignal;
}

/** Source: distribution specification: registries should take manifests of 4 MiB. */
const manifestLimitBytes = 4 * 1024 * 1024;
const configLimitBytes = 8 * 1024 * 1024;
const accepted = [...manifestTypes.index, ...manifestTypes.manifest].join(", ");

/** Looks an image up, once; what goes wrong is an answer. Anything unexpected is thrown. */
export async function lookUpImage(lookup: ImageLookup, options: ImageResolverOptions): Promise<ImageAnswer> {
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 60_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  const http = new RegistryHttp(options);
  try {
    const reference = parseImageReference(lookup.image);
    return await new RegistrySession({ http, lookup, reference, signal }).lookUp();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { outcome: "failed", code: error.code, message: error.message };
  } finally {
    await http.close();
  }
}

interface SessionParts {
  readonly http: RegistryHttp;
  readonly lookup: ImageLookup;
  readonly reference: ImageReference;
  readonly signal: AbortSignal;
}

interface Manifest {
  readonly digest: string;
  readonly value: unknown;
  readonly isIndex: boolean;
}

/** The requests that one image takes, with one proof for all of them. */
class RegistrySession {
  readonly #parts: SessionParts;
  #authorization: string | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  async lookUp(): Promise<ImageAnswer> {
    const { lookup, reference } = this.#parts;
    const { architecture, image, knownDigest } = lookup;
    if (knownDigest !== undefined && (await this.#headDigest()) === knownDigest) return { outcome: "unchanged" };
    const named = await this.#manifest(reference.digest ?? reference.tag ?? "latest");
    if (named.digest === knownDigest) return { outcome: "unchanged" };
    const own = named.isIndex ? await this.#manifest(pickManifest(image, named.value, architecture)) : named;
    if (own.isIndex)
      throw new RegistryError("InvalidImage", `Cannot use image ${quote(image)}: its index leads to another index`);
    const { configDigest, compressedBytes } = readManifest(image, own.value);
    const config = readConfig(image, await this.#config(configDigest), architecture);
    const resolved: ResolvedImage = {
      reference: pinnedReference(reference, own.digest),
      digest: own.digest,
      namedDigest: named.digest,
      ...(reference.digest === undefined && { tag: reference.tag }),
      entryPoint: [...config.entryPoint],
      command: [...config.command],
      workingDirectory: config.workingDirectory,
      platform: config.platform,
      compressedBytes,
    };
    return { outcome: "resolved", image: resolved };
  }

  /** What the tag names, without a byte of it; undefined where the registry does not say so. */
  async #headDigest(): Promise<string | undefined> {
    const { tag, digest } = this.#parts.reference;
    const { status, headers } = await this.#send("HEAD", `manifests/${digest ?? tag ?? "latest"}`, 0);
    return status === 200 ? headers["docker-content-digest"] : undefined;
  }

  async #manifest(name: string): Promise<Manifest> {
    const { image } = this.#parts.lookup;
    const answer = await this.#send("GET", `manifests/${name}`, manifestLimitBytes);
    this.#requireFound(answer, `manifest ${quote(name)}`);
    const digest = this.#checkDigest(
      answer,
      name.startsWith("sha256:") ? name : answer.headers["docker-content-digest"],
    );
    const value = parseJson(answer.body);
    return { digest, value, isIndex: isIndex(image, value, answer.headers["content-type"] ?? "") };
  }

  async #config(digest: string): Promise<unknown> {
    const answer = await this.#send("GET", `blobs/${digest}`, configLimitBytes);
    this.#requireFound(answer, `configuration "${digest}"`);
    this.#checkDigest(answer, digest);
    return parseJson(answer.body);
  }

  #requireFound({ status, body }: RegistryAnswer, what: string): void {
    if (status === 200) return;
    const { image } = this.#parts.lookup;
    if (status === 401 || status === 403)
      throw unauthorized(image, `the registry refuses its ${what} (${status}${said(body)})`);
    const code = status === 404 ? "ImageNotFound" : "RegistryUnreachable";
    const why = status === 404 ? `the registry has no ${what}` : `the registry answered ${status} for its ${what}`;
    throw new RegistryError(code, `Cannot read image ${quote(image)}: ${why}${said(body)}`);
  }

  /** Of the bytes that came; `want` is what they should have, where that is known. */
  #checkDigest({ body }: RegistryAnswer, want: string | undefined): string {
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    if (want === undefined || !want.startsWith("sha256:") || want === digest) return digest;
    const { image } = this.#parts.lookup;
    throw new RegistryError(
      "InvalidImage",
      `Cannot use image ${quote(image)}: the registry sent ${digest} for ${quote(want)}`,
    );
  }

  /** Once without proof, or with the one that worked before, and once with what the registry asks for. */
  async #send(method: "GET" | "HEAD", path: string, limitBytes: number): Promise<RegistryAnswer> {
    const { http, lookup, reference, signal } = this.#parts;
    const { repository } = reference;
    const url = new URL(`${http.baseUrl(apiHost(reference))}/v2/${repository}/${path}`);
    const ask = (): Promise<RegistryAnswer> => {
      const authorization = this.#authorization;
      const headers = {
        accept: path.startsWith("blobs/") ? "*/*" : accepted,
        ...(authorization !== undefined && { authorization }),
      };
      return http.send({ url, method, headers, limitBytes, signal });
    };
    const answer = await ask();
    if (answer.status !== 401 || this.#authorization !== undefined) return answer;
    const { image, credentials } = lookup;
    this.#authorization = await authorize({ http, image, repository, credentials, signal }, answer);
    return await ask();
  }
}

/** What the registry says in its own words. Source: distribution specification, "Error Codes". */
function said(body: Buffer): string {
  const { errors } = members(parseJson(body));
  const { code, message } = members(Array.isArray(errors) ? errors[0] : undefined);
  const words = [code, message].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : `: ${quote(words.join(": "))}`;
}
