/** Content on its way to local disk, which is read while it comes. */
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { openIfThere } from "./durable-files.ts";
import { damagedError } from "./read-verified.ts";
import type { StagedFile } from "./staged-file.ts";
import type { ByteRange } from "./store.ts";

export interface ArrivalOptions {
  /** Of the sha256 that it has to have. */
  readonly hex: string;
  readonly staged: StagedFile;
  readonly body: Readable;
  /** It came, and is what it should be; the file may be moved. */
  readonly onWhole: () => Promise<void>;
  /** It came, and is something else. */
  readonly onDamaged: () => Promise<unknown>;
}

const pieceBytes = 256 * 1024;

/** Goes on to its end when nobody reads any more: the next one will. */
export class Arrival {
  readonly #options: ArrivalOptions;
  /** Rejects when it did not come whole; after that nothing is left of it. */
  readonly ended: Promise<void>;
  #isEnded = false;
  #changed: PromiseWithResolvers<unknown> = Promise.withResolvers();

  constructor(options: ArrivalOptions) {
    this.#options = options;
    this.ended = this.#take().finally(() => {
      this.#isEnded = true;
      this.#changed.resolve(undefined);
    });
    // Who reads hears of it.
    this.ended.catch(() => undefined);
  }

  /** Undefined when it has moved on, or failed, before it was opened. */
  async read(range: ByteRange): Promise<Readable | undefined> {
    const handle = await openIfThere(this.#options.staged.path);
    if (handle === undefined) return undefined;
    const stream = Readable.from(this.#pieces(handle, range), { objectMode: false, highWaterMark: pieceBytes });
    // A stream that nobody started never runs its generator.
    stream.once("close", () => void handle.close().catch(() => undefined));
    return stream;
  }

  async #take(): Promise<void> {
    const { hex, staged, body, onWhole, onDamaged } = this.#options;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        await staged.write(chunk);
        this.#tell();
      }
      if (staged.digest() === `sha256:${hex}`) {
        await onWhole();
        return;
      }
      await onDamaged();
      throw damagedError(hex);
    } finally {
      await staged.discard();
    }
  }

  #tell(): void {
    this.#changed.resolve(undefined);
    this.#changed = Promise.withResolvers();
  }

  async *#pieces(handle: FileHandle, { start, end }: ByteRange): AsyncGenerator<Buffer, void, undefined> {
    for (let position = start; position <= end;) {
      const there = Math.min(await this.#bytesAfter(position), end + 1);
      const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, there - position));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw damagedError(this.#options.hex);
      position += bytesRead;
      // The last piece waits until the whole was compared.
      if (position > end) await this.ended;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Of the file, once there are more than these. */
  async #bytesAfter(position: number): Promise<number> {
    const { staged, hex } = this.#options;
    while (staged.bytes <= position) {
      if (this.#isEnded) {
        await this.ended;
        throw damagedError(hex);
      }
      await this.#changed.promise;
    }
    return staged.bytes;
  }
}
