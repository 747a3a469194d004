import { createHash } from "node:crypto";
import { uploadLimitBytes, type ResolvedPackage, type ResolveRequest } from "../../crds/wire/packages.ts";
import { ConcurrencyLimit } from "../../lib/concurrency-limit.ts";
import { archiveLimits, directUploadLimitBytes, zippedTooLargeText } from "./archive-limits.ts";
import { checkArchive } from "./archive.ts";
import { buildZip } from "./build-zip.ts";
import { codeSha256Of, hexOfDigest, parseSha256 } from "./digest.ts";
import type { BytesFetched } from "./fetch-bytes.ts";
import type { OciFetchRequest } from "./fetch-oci.ts";
import type { S3FetchRequest } from "./fetch-s3.ts";
import { PackageError, quote } from "./package-error.ts";
import type { PackageFacts, PackageStore, StagedContent } from "./store.ts";

type Source = ResolveRequest["source"];

export interface FetchRequest {
  readonly url: string;
  /** Hex. */
  readonly sha256: string;
  readonly into: StagedContent;
  /** Authorization header for the url's own origin. */
  readonly authorization?: string | undefined;
}

export interface ResolverOptions {
  readonly store: PackageStore;
  /** Fills staged content from a url, digest checked; throws PackageError. */
  readonly fetchUrl: (request: FetchRequest) => Promise<void>;
  /** The same for an object of an S3-compatible service. */
  readonly fetchS3: (request: S3FetchRequest) => Promise<BytesFetched>;
  /** The same for an artifact of a registry, without credentials. */
  readonly fetchOci: (request: OciFetchRequest) => Promise<BytesFetched>;
  readonly nowMs: () => number;
  /** How long the store keeps what was asked for and is not used, ms. */
  readonly graceMs: number;
  /** Sources that are fetched and checked at once; the others wait. */
  readonly atOnce: number;
}

/** Turns sources into digests: equal requests that meet share one fetch, and content that is there is not fetched again. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #limit: ConcurrencyLimit;
  readonly #running = new Map<string, Promise<Found>>();

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#limit = new ConcurrencyLimit(options.atOnce);
  }

  /** Throws PackageError; the namespace may read the content afterwards. */
  async resolve({ namespace, source, known }: ResolveRequest): Promise<ResolvedPackage> {
    const facts = await this.#findKnown(namespace, source);
    if (facts !== undefined) return await this.#grant(namespace, { facts });
    const unchanged = await this.#findUnchanged(namespace, known);
    const found = await this.#share(source, unchanged);
    return await this.#grant(namespace, found);
  }

  /** Takes a zip that somebody of the namespace sends, and keeps it so long even if nothing uses it; throws PackageError. `digest` is the sender's. */
  async take(
    namespace: string,
    digest: string,
    bytes: AsyncIterable<Uint8Array>,
    keepMs = 0,
  ): Promise<ResolvedPackage> {
    const fill = async (staged: StagedContent): Promise<Filled> => {
      for await (const chunk of fromSender(bytes)) {
        if (staged.bytes + chunk.length > uploadLimitBytes) throw new PackageError("CodeTooLarge", uploadTooLargeText);
        await staged.write(chunk);
      }
      if (staged.digest() === digest) return {};
      const message = `Cannot take the package: it came as ${staged.digest()}, and was sent as ${quote(digest)}`;
      throw new PackageError("DigestMismatch", message);
    };
    // Whoever sends slowly keeps nobody else waiting.
    return await this.#grant(namespace, await this.#bringIn(fill, this.#limit), keepMs);
  }

  /** What the namespace has already stays so long even if nothing uses it; throws PackageError where it has no such package. */
  async keep(namespace: string, digest: string, keepMs: number): Promise<ResolvedPackage> {
    const facts = await this.#findKnown(namespace, { type: "digest", digest });
    if (facts === undefined) throw notPushed(digest, namespace);
    return await this.#grant(namespace, { facts }, keepMs);
  }

  async #grant(namespace: string, { facts, revision }: Found, keepMs = 0): Promise<ResolvedPackage> {
    const { store, nowMs, graceMs } = this.#options;
    // As if it had been asked for so much later: it is collected when the grace period after that is over.
    const atMs = nowMs() + Math.max(0, keepMs - graceMs);
    if (!(await store.grant(facts.digest, namespace, atMs))) {
      throw new PackageError("StoreUnavailable", `Cannot keep package "${facts.digest}": it was removed meanwhile`);
    }
    const hex = hexOfDigest(facts.digest) ?? "";
    return { ...facts, codeSHA256: codeSha256Of(hex), ...(revision !== undefined && { revision }) };
  }

  /** What was read before, if it is still here for this namespace: only then may the source answer that nothing changed. */
  async #findUnchanged(namespace: string, known: ResolveRequest["known"]): Promise<Unchanged | undefined> {
    if (known === undefined) return undefined;
    const { store } = this.#options;
    const isHere = (await store.mayRead(known.digest, namespace)) && (await store.verify(known.digest));
    const facts = isHere ? await store.find(known.digest) : undefined;
    return facts === undefined ? undefined : { facts, revision: known.revision };
  }

  /** Content named by its digest, if the namespace has it already: knowing a digest is no right to the content of others. */
  async #findKnown(namespace: string, source: Source): Promise<PackageFacts | undefined> {
    const hex = source.type === "digest" ? parseSha256(source.digest) : wantedSha256(source);
    if (hex === undefined && source.type !== "digest") return undefined;
    const { store } = this.#options;
    const digest = `sha256:${hex ?? ""}`;
    const holder = source.type === "digest" ? (source.of ?? namespace) : namespace;
    const isKnown = (await store.mayRead(digest, holder)) && (await store.verify(digest));
    const facts = isKnown ? await store.find(digest) : undefined;
    if (facts === undefined && source.type === "digest") throw notPushed(source.digest, holder);
    return facts;
  }

  async #share(source: Source, unchanged: Unchanged | undefined): Promise<Found> {
    const key = createHash("sha256")
      .update(JSON.stringify([source, unchanged]))
      .digest("base64");
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const started = this.#limit.run(() => this.#bringIn((staged) => this.#fill(staged, source, unchanged)));
    this.#running.set(key, started);
    try {
      return await started;
    } finally {
      this.#running.delete(key);
    }
  }

  /** `inTurn`: only the check waits for its turn there. */
  async #bringIn(fill: (staged: StagedContent) => Promise<Filled>, inTurn?: ConcurrencyLimit): Promise<Found> {
    const staged = await this.#options.store.stage();
    try {
      const { revision, unchanged } = await fill(staged);
      if (unchanged !== undefined) return unchanged;
      const commit = async () =>
        await this.#options.store.commit(staged, await checkArchive(staged.path, archiveLimits));
      return { facts: inTurn === undefined ? await commit() : await inTurn.run(commit), revision };
    } finally {
      await staged.discard();
    }
  }

  async #fill(staged: StagedContent, source: Source, unchanged: Unchanged | undefined): Promise<Filled> {
    switch (source.type) {
      case "files": {
        await staged.write(await buildZip(decodeFiles(source.files, "utf8")));
        return {};
      }
      case "binaryFiles": {
        await staged.write(await buildZip(decodeFiles(source.files, "base64")));
        return {};
      }
      case "zip": {
        await staged.write(decodeZip(source.base64));
        return {};
      }
      case "url": {
        await this.#options.fetchUrl({ url: source.url, sha256: requireSha256(source.sha256), into: staged });
        return {};
      }
      case "s3": {
        const wanted = { source, sha256: wantedSha256(source), into: staged, known: unchanged?.revision };
        const fetched = await this.#options.fetchS3(wanted);
        return fetched.type === "unchanged" ? { unchanged } : { revision: fetched.validator };
      }
      case "oci": {
        const { store, fetchOci } = this.#options;
        const request = { source, sha256: wantedSha256(source), into: staged, stage: () => store.stage() };
        const fetched = await fetchOci({ ...request, known: unchanged?.revision });
        return fetched.type === "unchanged" ? { unchanged } : { revision: fetched.validator };
      }
      case "digest":
        throw new TypeError("Cannot bring in a digest: it is found or not");
    }
  }
}

/** Content that is in the store, and what its source calls it. */
interface Found {
  readonly facts: PackageFacts;
  readonly revision?: string | undefined;
}
type Unchanged = Found & { readonly revision: string };

/** Either the staged content is all there, or what is known has not changed. */
interface Filled {
  readonly revision?: string | undefined;
  readonly unchanged?: Found | undefined;
}

/** A sender that goes away is no fault of the store's. */
async function* fromSender(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes;
  } catch (cause) {
    throw new PackageError("FetchFailed", "Cannot take the package: its sender broke off", { cause });
  }
}

function notPushed(digest: string, namespace: string): PackageError {
  const message = `Cannot use digest ${quote(digest)}: namespace "${namespace}" has no such package; push it there (kubelambda push -n ${namespace} …)`;
  return new PackageError("PackageNotFound", message);
}

const uploadTooLargeText = `Cannot take the package: longer than ${uploadLimitBytes} bytes`;

/** Hex of what the source says its bytes are; undefined where it says nothing. */
function wantedSha256(source: Source): string | undefined {
  if (source.type === "url") return requireSha256(source.sha256);
  const sha256 = source.type === "s3" || source.type === "oci" ? source.sha256 : undefined;
  return sha256 === undefined ? undefined : requireSha256(sha256);
}

function decodeFiles(files: Readonly<Record<string, string>>, encoding: "utf8" | "base64"): Map<string, Buffer> {
  return new Map(
    Object.entries(files).map(([name, text]) => {
      if (encoding === "base64" && !isBase64(text)) {
        throw new PackageError("InvalidArchive", `Cannot read file ${quote(name)}: its content is not base64`, {
          entry: name,
        });
      }
      return [name, Buffer.from(text, encoding)];
    }),
  );
}

function decodeZip(base64: string): Buffer {
  if (!isBase64(base64)) throw new PackageError("InvalidArchive", "Cannot read the zip file: it is not base64");
  const zip = Buffer.from(base64, "base64");
  if (zip.length > directUploadLimitBytes) throw new PackageError("CodeTooLarge", zippedTooLargeText);
  return zip;
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text);
}

export function requireSha256(sha256: string): string {
  const hex = parseSha256(sha256);
  if (hex !== undefined) return hex;
  const message = `Cannot use sha256 ${quote(sha256)}: neither 64 hex digits nor the base64 of 32 bytes`;
  throw new PackageError("SourceRefused", message);
}
