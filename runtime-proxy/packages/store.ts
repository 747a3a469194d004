/** What a package store does, whatever keeps the bytes: `test/contract/package-store-suite.ts` holds each implementation to it. */
import type { Readable } from "node:stream";

/** One package of the store. */
export interface PackageFacts {
  /** `sha256:<hex>` of the zip. */
  readonly digest: string;
  readonly zippedBytes: number;
  readonly unzippedBytes: number;
  /** Names of the files in `extensions/`. */
  readonly extensions: readonly string[];
}

/** Content on its way in: on local disk, since an archive is checked before anybody may see it. */
export interface StagedContent {
  readonly path: string;
  /** Adds bytes at the end. */
  write(chunk: Uint8Array): Promise<void>;
  /** Starts again from nothing. */
  reset(): Promise<void>;
  readonly bytes: number;
  /** `sha256:<hex>` of what was written so far. */
  digest(): string;
  /** Removes what is left; harmless after a commit. */
  discard(): Promise<void>;
}

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface CollectReport {
  readonly removed: number;
  readonly removedBytes: number;
  readonly kept: number;
  /** Of what is referred to: what is not there, or not its namespace's to read. Namespace → digests, at most some 10,000 in all. */
  readonly missing: Readonly<Record<string, readonly string[]>>;
}

/** What it takes to serve packages: a store's part, and all that a cache before it has. `test/contract/package-reader-suite.ts` holds both to it. */
export interface PackageReader {
  /** What there is to read under a digest; undefined when nothing. Reads no content. */
  find(digest: string): Promise<Pick<PackageFacts, "digest" | "zippedBytes"> | undefined>;
  /**
   * Streams the content or a range within it; undefined when there is none. The last bytes come only after the digest of the
   * whole was compared: if it differs the stream fails, and what was read is kept no longer.
   */
  read(digest: string, range?: ByteRange): Promise<Readable | undefined>;
}

export interface PackageStore extends PackageReader {
  /** Another one means other content: of a new volume, or another bucket. */
  readonly id: string;
  stage(): Promise<StagedContent>;
  /** Makes staged content visible under its digest, whole and durable, or not at all. Content that is there already stays. */
  commit(staged: StagedContent, checked: Pick<PackageFacts, "unzippedBytes" | "extensions">): Promise<PackageFacts>;
  find(digest: string): Promise<PackageFacts | undefined>;
  /** Reads the content and compares its digest: damaged content is moved aside, and false like what is missing. */
  verify(digest: string): Promise<boolean>;
  /** Lets a namespace read the content and marks it as needed now; false when there is none. */
  grant(digest: string, namespace: string, nowMs: number): Promise<boolean>;
  mayRead(digest: string, namespace: string): Promise<boolean>;
  /** Removes what no namespace refers to any more and was last resolved more than `graceMs` ago. */
  collect(references: ReadonlyMap<string, ReadonlySet<string>>, graceMs: number, nowMs: number): Promise<CollectReport>;
}
