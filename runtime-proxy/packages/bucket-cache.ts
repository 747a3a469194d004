/** Content of a bucket on local disk: what is asked for again is not fetched again. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { openIfThere } from "./durable-files.ts";
import { StagedFile } from "./staged-file.ts";

export interface BucketCacheOptions {
  /** `staging` for what is on its way, `content` for what is kept. */
  readonly directory: string;
  /** Of all that is kept; the newest stays even if it alone is larger. */
  readonly limitBytes: number;
}

/** `damaged`: the bytes that came were others. */
export type CacheAnswer = FileHandle | "missing" | "damaged";

/** Bounded: what was not used for longest goes first. Opens what an earlier process kept. */
export class BucketCache {
  readonly #options: BucketCacheOptions;
  /** In the order of their last use. */
  readonly #bytesByHex = new Map<string, number>();
  readonly #running = new Map<string, Promise<"kept" | "missing" | "damaged">>();
  #totalBytes = 0;

  private constructor(options: BucketCacheOptions) {
    this.#options = options;
  }

  static async open(options: BucketCacheOptions): Promise<BucketCache> {
    const cache = new BucketCache(options);
    await rm(cache.#path("staging"), { recursive: true, force: true });
    for (const name of ["staging", "content"]) await mkdir(cache.#path(name), { recursive: true });
    for (const file of await readdir(cache.#path("content"))) {
      const hex = /^([0-9a-f]{64})\.zip$/.exec(file)?.[1];
      if (hex === undefined) await rm(cache.#path("content", file), { recursive: true, force: true });
      else cache.#note(hex, (await stat(cache.#path("content", file))).size);
    }
    await cache.#evict();
    return cache;
  }

  async stage(): Promise<StagedFile> {
    return await StagedFile.create(this.#path("staging", `${randomUUID()}.zip`));
  }

  /** Takes staged content over, whose sha256 this is. */
  async keep(hex: string, staged: StagedFile): Promise<void> {
    await rename(staged.path, this.#contentPath(hex));
    this.#note(hex, staged.bytes);
    await this.#evict(hex);
  }

  /** The file, fetched if need be; whoever asks at the same time shares the fetch. Close it. */
  async open(hex: string, fetch: () => Promise<Readable | undefined>): Promise<CacheAnswer> {
    for (;;) {
      const handle = await openIfThere(this.#contentPath(hex));
      if (handle !== undefined) {
        this.#note(hex, this.#bytesByHex.get(hex) ?? (await handle.stat()).size);
        return handle;
      }
      const fetched = await this.#share(hex, fetch);
      // Whoever comes right after it was removed again fetches again.
      if (fetched !== "kept") return fetched;
    }
  }

  async drop(hex: string): Promise<void> {
    this.#totalBytes -= this.#bytesByHex.get(hex) ?? 0;
    this.#bytesByHex.delete(hex);
    await rm(this.#contentPath(hex), { force: true });
  }

  async #share(hex: string, fetch: () => Promise<Readable | undefined>): Promise<"kept" | "missing" | "damaged"> {
    const running = this.#running.get(hex);
    if (running !== undefined) return await running;
    const started = this.#bring(hex, fetch);
    this.#running.set(hex, started);
    try {
      return await started;
    } finally {
      this.#running.delete(hex);
    }
  }

  async #bring(hex: string, fetch: () => Promise<Readable | undefined>): Promise<"kept" | "missing" | "damaged"> {
    const body = await fetch();
    if (body === undefined) return "missing";
    const path = this.#path("staging", `${randomUUID()}.zip`);
    const handle = await open(path, "wx", 0o600);
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        hash.update(chunk);
        bytes += chunk.length;
        await handle.writeFile(chunk);
      }
      if (hash.digest("hex") !== hex) return "damaged";
      await rename(path, this.#contentPath(hex));
      this.#note(hex, bytes);
      await this.#evict(hex);
      return "kept";
    } finally {
      await handle.close();
      await rm(path, { force: true });
    }
  }

  /** Used last. */
  #note(hex: string, bytes: number): void {
    this.#totalBytes += bytes - (this.#bytesByHex.get(hex) ?? 0);
    this.#bytesByHex.delete(hex);
    this.#bytesByHex.set(hex, bytes);
  }

  /** Whoever reads a file goes on reading it. */
  async #evict(newest?: string): Promise<void> {
    for (const hex of [...this.#bytesByHex.keys()]) {
      if (this.#totalBytes <= this.#options.limitBytes) return;
      if (hex !== newest) await this.drop(hex);
    }
  }

  #contentPath(hex: string): string {
    return this.#path("content", `${hex}.zip`);
  }

  #path(...names: string[]): string {
    return join(this.#options.directory, ...names);
  }
}
