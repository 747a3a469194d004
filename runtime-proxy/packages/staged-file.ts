import { createHash, type Hash } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { countPassing } from "./buffer-garbage.ts";
import type { StagedContent } from "./store.ts";

/** Content on its way in: one file of a staging directory, hashed as it is written. */
export class StagedFile implements StagedContent {
  readonly path: string;
  readonly #handle: FileHandle;
  #hash: Hash = createHash("sha256");
  #bytes = 0;
  #isClosed = false;

  static async create(path: string): Promise<StagedFile> {
    return new StagedFile(path, await open(path, "wx", 0o600));
  }

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    for (let written = 0; written < chunk.length;) {
      const { bytesWritten } = await this.#handle.write(chunk, written, chunk.length - written, this.#bytes + written);
      written += bytesWritten;
    }
    this.#bytes += chunk.length;
    countPassing(chunk.length);
  }

  async reset(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash("sha256");
    this.#bytes = 0;
  }

  digest(): string {
    return `sha256:${this.#hash.copy().digest("hex")}`;
  }

  /** Makes the bytes durable and ends writing; returns the digest. */
  async finish(): Promise<string> {
    if (!this.#isClosed) await this.#handle.sync();
    await this.#close();
    return this.digest();
  }

  async discard(): Promise<void> {
    await this.#close();
    await rm(this.path, { force: true });
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#handle.close();
  }
}
