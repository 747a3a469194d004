/** Content by its digest on local disk, within a bound: what is asked for again is not fetched again. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Arrival } from "./arrival.ts";
import { openIfThere } from "./durable-files.ts";
import { streamVerified } from "./read-verified.ts";
import { StagedFile } from "./staged-file.ts";
import type { ByteRange } from "./store.ts";

export interface ContentCacheOptions {
  /** `staging` for what is on its way, `content` for what is kept. */
  readonly directory: string;
  /** Of what is kept and on its way together, as far as `hasRoomFor` is heard: the newest stays even if it alone is larger. */
  readonly limitBytes: number;
  /** Told of every piece of content that went because others needed its place. */
  readonly onEvicted?: () => void;
}

export interface ContentRead {
  /** Of the sha256. */
  readonly hex: string;
  /** Of the whole. */
  readonly bytes: number;
  readonly range: ByteRange;
  /** Asked when nothing is kept; who reads meanwhile shares what comes. Undefined: there is none. */
  readonly fetch: () => Promise<Readable | undefined>;
  /** What came from `fetch` has another digest. */
  readonly onFetchedDamaged: () => Promise<unknown>;
}

/** What was not used for longest goes first; opens what an earlier process kept, in the order in which it came. */
export class ContentCache {
  readonly #options: ContentCacheOptions;
  /** In the order of their last use. */
  readonly #bytesByHex = new Map<string, number>();
  readonly #arrivals = new Map<string, { readonly bytes: number; readonly arrival: Promise<Arrival | undefined> }>();
  #keptBytes = 0;

  private constructor(options: ContentCacheOptions) {
    this.#options = options;
  }

  static async open(options: ContentCacheOptions): Promise<ContentCache> {
    const cache = new ContentCache(options);
    await rm(cache.#path("staging"), { recursive: true, force: true });
    for (const name of ["staging", "content"]) await mkdir(cache.#path(name), { recursive: true });
    const found: { readonly hex: string; readonly bytes: number; readonly cameAtMs: number }[] = [];
    for (const file of await readdir(cache.#path("content"))) {
      const hex = /^([0-9a-f]{64})\.zip$/.exec(file)?.[1];
      const { size: bytes, mtimeMs: cameAtMs } = await stat(cache.#path("content", file));
      if (hex === undefined) await rm(cache.#path("content", file), { recursive: true, force: true });
      else found.push({ hex, bytes, cameAtMs });
    }
    for (const { hex, bytes } of found.sort((a, b) => a.cameAtMs - b.cameAtMs)) cache.#note(hex, bytes);
    await cache.#evict(0);
    return cache;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Whether so much more fits within the bound beside all that is on its way. */
  hasRoomFor(hex: string, bytes: number): boolean {
    if (this.#bytesByHex.has(hex) || this.#arrivals.has(hex)) return true;
    return this.#arrivingBytes() + bytes <= this.#options.limitBytes;
  }

  async stage(): Promise<StagedFile> {
    return await StagedFile.create(this.#path("staging", `${randomUUID()}.zip`));
  }

  /** Takes staged content over, whose sha256 this is. */
  async keep(hex: string, staged: StagedFile): Promise<void> {
    await rename(staged.path, this.#contentPath(hex));
    this.#note(hex, staged.bytes);
    await this.#evict(0, hex);
  }

  /**
   * Streams a range of the content, from disk or while it comes; undefined when there is none to fetch. The last bytes come only
   * after the digest of the whole was compared: if it differs the stream fails, and the copy goes.
   */
  async read(wanted: ContentRead): Promise<Readable | undefined> {
    // What has just come may have gone again, from its place or on its way, before it was opened.
    for (let attempt = 1; attempt <= triesToOpen; attempt++) {
      const kept = await this.#readKept(wanted);
      if (kept !== undefined) return kept;
      const arrival = await this.#arrive(wanted);
      if (arrival === undefined) return undefined;
      const stream = await arrival.read(wanted.range);
      if (stream !== undefined) return stream;
    }
    throw new Error(`Cannot read package "sha256:${wanted.hex}": its copy goes as often as it comes`);
  }

  async drop(hex: string): Promise<void> {
    this.#keptBytes -= this.#bytesByHex.get(hex) ?? 0;
    this.#bytesByHex.delete(hex);
    await rm(this.#contentPath(hex), { force: true });
  }

  async #readKept({ hex, range }: ContentRead): Promise<Readable | undefined> {
    const bytes = this.#bytesByHex.get(hex);
    if (bytes === undefined) return undefined;
    this.#note(hex, bytes);
    const handle = await openIfThere(this.#contentPath(hex));
    // Somebody else has removed it.
    if (handle === undefined) await this.drop(hex);
    else return streamVerified(hex, handle, range, () => this.drop(hex));
    return undefined;
  }

  async #arrive(wanted: ContentRead): Promise<Arrival | undefined> {
    const { hex, bytes } = wanted;
    const running = this.#arrivals.get(hex);
    if (running !== undefined) return await running.arrival;
    const arrival = this.#begin(wanted);
    this.#arrivals.set(hex, { bytes, arrival });
    void arrival
      .then((begun) => begun?.ended)
      .catch(() => undefined)
      .then(() => this.#arrivals.delete(hex));
    return await arrival;
  }

  async #begin({ hex, bytes, fetch, onFetchedDamaged }: ContentRead): Promise<Arrival | undefined> {
    await this.#evict(this.#arrivingBytes() + bytes);
    const body = await fetch();
    if (body === undefined) return undefined;
    const staged = await this.stage().catch((error: unknown) => {
      body.destroy();
      throw error;
    });
    const onWhole = (): Promise<void> => this.keep(hex, staged);
    return new Arrival({ hex, staged, body, onWhole, onDamaged: onFetchedDamaged });
  }

  #arrivingBytes(): number {
    return [...this.#arrivals.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Used last. */
  #note(hex: string, bytes: number): void {
    this.#keptBytes += bytes - (this.#bytesByHex.get(hex) ?? 0);
    this.#bytesByHex.delete(hex);
    this.#bytesByHex.set(hex, bytes);
  }

  /** Until so many bytes are free; whoever reads a file goes on reading it. */
  async #evict(neededBytes: number, newest?: string): Promise<void> {
    for (const hex of [...this.#bytesByHex.keys()]) {
      if (this.#keptBytes + neededBytes <= this.#options.limitBytes) return;
      if (hex === newest) continue;
      await this.drop(hex);
      this.#options.onEvicted?.();
    }
  }

  #contentPath(hex: string): string {
    return this.#path("content", `${hex}.zip`);
  }

  #path(...names: string[]): string {
    return join(this.#options.directory, ...names);
  }
}

const triesToOpen = 3;
