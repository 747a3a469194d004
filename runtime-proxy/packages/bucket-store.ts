/** A package store in a bucket, which any number of processes share. Every object of the bucket is written once or removed, never changed. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { BucketError, type Bucket } from "./bucket.ts";
import { collectBucket, keys } from "./collect-bucket.ts";
import { ContentCache } from "./content-cache.ts";
import { hexOfDigest } from "./digest.ts";
import { Recent } from "./recent.ts";
import { StagedFile } from "./staged-file.ts";
import type { ByteRange, CollectReport, PackageFacts, PackageStore, StagedContent } from "./store.ts";
import { readBody } from "../../lib/http/read-body.ts";

/** Beside the content as JSON: content without it is not visible. */
interface Metadata {
  readonly zippedBytes: number;
  readonly unzippedBytes: number;
  readonly extensions: readonly string[];
  /** What the service called the content when it was written: damaged content has another. */
  readonly etag: string;
}

export interface BucketStoreOptions {
  readonly bucket: Bucket;
  /** Of the bucket and the place in it: the same for all its processes. */
  readonly id: string;
  /** Of this process alone. */
  readonly directory: string;
  /** Of content that is kept in `directory`. */
  readonly cacheBytes: number;
  /** Milliseconds that only rise. */
  readonly elapsedMs: () => number;
  /** Told of content that was damaged and removed. */
  readonly onDamaged?: (digest: string) => void;
}

const metadataLimitBytes = 1024 * 1024;
/** What another process has removed or closed meanwhile is seen after so long. */
const rememberMs = 30_000;

/**
 * `objects/<hex>.zip` the content, `objects/<hex>.json` what makes it visible, `grants/<hex>/<namespace>/<time>-…` who may read it,
 * `deleting/<hex>/…` while somebody removes it.
 */
export async function openBucketStore(options: BucketStoreOptions): Promise<PackageStore> {
  const { directory, cacheBytes: limitBytes } = options;
  return new BucketStore(options, await ContentCache.open({ directory, limitBytes }));
}

class BucketStore implements PackageStore {
  readonly #options: BucketStoreOptions;
  readonly #cache: ContentCache;
  readonly #metadata: Recent<Metadata>;
  readonly #readers: Recent<true>;

  constructor(options: BucketStoreOptions, cache: ContentCache) {
    this.#options = options;
    this.#cache = cache;
    this.#metadata = new Recent(rememberMs, options.elapsedMs);
    this.#readers = new Recent(rememberMs, options.elapsedMs);
  }

  get id(): string {
    return this.#options.id;
  }

  async stage(): Promise<StagedContent> {
    return await this.#cache.stage();
  }

  async commit(
    staged: StagedContent,
    { unzippedBytes, extensions }: Pick<PackageFacts, "unzippedBytes" | "extensions">,
  ): Promise<PackageFacts> {
    if (!(staged instanceof StagedFile)) throw new TypeError("Cannot commit content that this store did not stage");
    const digest = await staged.finish();
    const hex = requireHex(digest);
    const known = (await this.#isIntact(hex)) ? await this.#readMetadata(hex) : undefined;
    if (known !== undefined) return toFacts(digest, known);
    const { bucket } = this.#options;
    const { bytes: zippedBytes, path } = staged;
    const content = { bytes: zippedBytes, sha256: hex, open: () => createReadStream(path) };
    const etag = await bucket.put(keys.content(hex), content);
    const metadata = { zippedBytes, unzippedBytes, extensions, etag };
    // Content first: metadata is what makes it visible.
    await bucket.put(keys.metadata(hex), jsonContent(metadata));
    // Whoever collects removes content before metadata: what is there now goes only together with the metadata.
    if ((await bucket.head(keys.content(hex))) === undefined)
      throw new BucketError(`Cannot keep package "${digest}": it was removed meanwhile; trying again helps`);
    this.#metadata.set(hex, metadata);
    await this.#cache.keep(hex, staged);
    return toFacts(digest, metadata);
  }

  async find(digest: string): Promise<PackageFacts | undefined> {
    const hex = hexOfDigest(digest);
    const metadata = hex === undefined ? undefined : await this.#readMetadata(hex);
    return metadata === undefined ? undefined : toFacts(digest, metadata);
  }

  async verify(digest: string): Promise<boolean> {
    const hex = hexOfDigest(digest);
    return hex !== undefined && (await this.#isIntact(hex));
  }

  /** A grant before a look at who removes: a collector looks at grants after it has said that it removes. One of the two sees the other. */
  async grant(digest: string, namespace: string, nowMs: number): Promise<boolean> {
    const hex = hexOfDigest(digest);
    if (hex === undefined || (await this.#readMetadata(hex)) === undefined) return false;
    const { bucket } = this.#options;
    await bucket.put(keys.grant(hex, namespace, nowMs, randomUUID()), emptyContent);
    this.#metadata.delete(hex);
    const isBeingRemoved = (await bucket.list(keys.removals(hex), 1)).length > 0;
    if (isBeingRemoved || (await this.#readMetadata(hex)) === undefined) return false;
    // A collector that was too slow, or killed, may have left the metadata.
    if ((await bucket.head(keys.content(hex))) === undefined) return false;
    this.#readers.set(`${hex}/${namespace}`, true);
    return true;
  }

  async mayRead(digest: string, namespace: string): Promise<boolean> {
    const hex = hexOfDigest(digest);
    if (hex === undefined) return false;
    const key = `${hex}/${namespace}`;
    if (this.#readers.get(key) === true) return true;
    const isGranted = (await this.#options.bucket.list(keys.grants(hex, namespace), 1)).length > 0;
    if (!isGranted || (await this.#readMetadata(hex)) === undefined) return false;
    this.#readers.set(key, true);
    return true;
  }

  async read(digest: string, range?: ByteRange): Promise<Readable | undefined> {
    const facts = await this.find(digest);
    const hex = hexOfDigest(digest);
    if (facts === undefined || hex === undefined) return undefined;
    const stream = await this.#cache.read({
      hex,
      bytes: facts.zippedBytes,
      range: range ?? { start: 0, end: facts.zippedBytes - 1 },
      fetch: () => this.#options.bucket.get(keys.content(hex)),
      onFetchedDamaged: () => this.#removeDamaged(hex),
    });
    if (stream === undefined) this.#metadata.delete(hex);
    return stream;
  }

  async collect(
    references: ReadonlyMap<string, ReadonlySet<string>>,
    graceMs: number,
    nowMs: number,
  ): Promise<CollectReport> {
    const { bucket, elapsedMs } = this.#options;
    const forget = async (hex: string): Promise<void> => {
      this.#metadata.delete(hex);
      await this.#cache.drop(hex);
    };
    try {
      return await collectBucket({ bucket, elapsedMs, references, graceMs, nowMs, forget });
    } finally {
      this.#readers.clear();
    }
  }

  async #readMetadata(hex: string): Promise<Metadata | undefined> {
    const remembered = this.#metadata.get(hex);
    if (remembered !== undefined) return remembered;
    const body = await this.#options.bucket.get(keys.metadata(hex));
    if (body === undefined) return undefined;
    const metadata = JSON.parse((await readBody(body, metadataLimitBytes)).toString("utf8")) as Metadata;
    this.#metadata.set(hex, metadata);
    return metadata;
  }

  /** By what the service says of its bytes; reading compares the digest itself. */
  async #isIntact(hex: string): Promise<boolean> {
    this.#metadata.delete(hex);
    const metadata = await this.#readMetadata(hex);
    if (metadata === undefined) return false;
    const head = await this.#options.bucket.head(keys.content(hex));
    const isIntact = head?.bytes === metadata.zippedBytes && head.etag === metadata.etag;
    if (!isIntact) await this.#removeDamaged(hex);
    return isIntact;
  }

  async #removeDamaged(hex: string): Promise<void> {
    await this.#options.bucket.remove(keys.metadata(hex));
    this.#metadata.delete(hex);
    await this.#cache.drop(hex);
    this.#options.onDamaged?.(`sha256:${hex}`);
  }
}

const emptyContent = bytesContent(Buffer.alloc(0));

function jsonContent(value: unknown): ReturnType<typeof bytesContent> {
  return bytesContent(Buffer.from(JSON.stringify(value)));
}

function bytesContent(bytes: Buffer) {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes: bytes.length, sha256, open: () => bytes };
}

function toFacts(digest: string, { zippedBytes, unzippedBytes, extensions }: Metadata): PackageFacts {
  return { digest, zippedBytes, unzippedBytes, extensions };
}

function requireHex(digest: string): string {
  const hex = hexOfDigest(digest);
  if (hex === undefined) throw new TypeError(`Cannot use digest "${digest}": not sha256:<64 hex digits>`);
  return hex;
}
