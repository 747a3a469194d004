/** What a package store needs of a bucket: objects that are whole or not there, and that everybody sees as soon as they are written. */
import type { Readable } from "node:stream";

export interface BucketObject {
  readonly key: string;
  readonly bytes: number;
  /** By the service's clock, ms since 1970. */
  readonly modifiedAtMs: number;
}

export interface BucketHead {
  readonly bytes: number;
  /** What the service calls these bytes: others have another. */
  readonly etag: string;
}

/** Every operation may be done twice. All reject with BucketError when the service does not do it. */
export interface Bucket {
  /** The answer is the ETag. */
  put(key: string, content: BucketContent): Promise<string>;
  /** Undefined when there is none, here and below. */
  get(key: string): Promise<Readable | undefined>;
  head(key: string): Promise<BucketHead | undefined>;
  /** In byte order of the keys; `limit`: the first so many. */
  list(prefix: string, limit?: number): Promise<readonly BucketObject[]>;
  /** Harmless when there is none. */
  remove(key: string): Promise<void>;
}

export interface BucketContent {
  readonly bytes: number;
  /** Hex: what comes otherwise is not kept. */
  readonly sha256: string;
  /** Called for every try. */
  readonly open: () => Uint8Array | Readable;
}

/** The bucket's service refused or did not answer; the message is for whoever runs the installation. */
export class BucketError extends Error {
  override readonly name = "BucketError";
}
