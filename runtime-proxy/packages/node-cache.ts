/** A node's cache before the package store: who may read what is the store's to say, each time; the bytes come from it once. */
import type { Readable } from "node:stream";
import type { ContentCache } from "./content-cache.ts";
import { hexOfDigest } from "./digest.ts";
import type { ObjectSource } from "./object-source.ts";
import type { ByteRange, PackageFacts, PackageReader } from "./store.ts";

type ContentFacts = Pick<PackageFacts, "digest" | "zippedBytes">;

export interface NodeCacheOptions {
  readonly content: ContentCache;
  /** The store. */
  readonly source: ObjectSource;
  readonly onFetched: (bytes: number) => void;
  readonly onDamaged: (digest: string) => void;
}

/** Why a cache does not serve what the store has: whoever asked goes there. */
export class CacheFullError extends Error {
  override readonly name = "CacheFullError";
}

export class NodeCache {
  readonly #options: NodeCacheOptions;

  constructor(options: NodeCacheOptions) {
    this.#options = options;
  }

  /** What the sender of this Authorization header may read. `find` asks the store, and throws what it refuses; so does `read`, unless `find` has. */
  readerFor(authorization: string): PackageReader {
    let found: ContentFacts | undefined;
    const find = async (digest: string): Promise<ContentFacts | undefined> => {
      if (hexOfDigest(digest) === undefined) return undefined;
      return (found = await this.#options.source.find(digest, authorization));
    };
    return {
      find,
      read: async (digest, range) => {
        const facts = found?.digest === digest ? found : await find(digest);
        return facts === undefined ? undefined : await this.#read(facts, authorization, range);
      },
    };
  }

  async #read(facts: ContentFacts, authorization: string, range?: ByteRange): Promise<Readable | undefined> {
    const { content, source, onFetched, onDamaged } = this.#options;
    const { digest, zippedBytes: bytes } = facts;
    const hex = hexOfDigest(digest) ?? "";
    if (!content.hasRoomFor(hex, bytes)) {
      throw new CacheFullError(
        `Cannot keep package "${digest}": its ${bytes} bytes do not fit beside what is on its way`,
      );
    }
    return await content.read({
      ...{ hex, bytes, range: range ?? { start: 0, end: bytes - 1 } },
      fetch: async () => {
        const body = await source.open(facts, authorization);
        if (body !== undefined) onFetched(bytes);
        return body;
      },
      onFetchedDamaged() {
        onDamaged(digest);
        return Promise.resolve();
      },
    });
  }
}
