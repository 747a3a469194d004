import { RandomAccessReader } from "yauzl";
import { readFully, type OpenFile } from "./read-file-range.ts";

const windowBytes = 256 * 1024;

type Done = (error: Error | null, bytesRead?: number) => void;

/** Reads the central directory ahead: its entries are two reads of some 50 bytes each, which would each wait for a thread. */
export class DirectoryReader extends RandomAccessReader {
  readonly #handle: OpenFile;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(handle: OpenFile) {
    super();
    this.#handle = handle;
  }

  // eslint-disable-next-line max-params -- the zip library's signature
  override read(buffer: Buffer, offset: number, length: number, position: number, done: Done): void {
    // A 64-bit offset that no file reaches: the library takes it for the end of the file.
    if (!Number.isSafeInteger(position)) {
      done(null, 0);
      return;
    }
    if (this.#holds(position, length)) {
      done(null, this.#copy(buffer.subarray(offset, offset + length), position));
      return;
    }
    this.#fill(position, length).then(
      () => done(null, this.#copy(buffer.subarray(offset, offset + length), position)),
      (error: unknown) => done(error as Error),
    );
  }

  /** The file is its opener's to close. */
  override close(done: (error: Error | null) => void): void {
    setImmediate(done, null);
  }

  #holds(position: number, length: number): boolean {
    return position >= this.#start && position + length <= this.#start + this.#window.length;
  }

  async #fill(position: number, length: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.max(windowBytes, length));
    this.#window = buffer.subarray(0, await readFully(this.#handle, buffer, position));
    this.#start = position;
  }

  #copy(target: Buffer, position: number): number {
    return this.#window.copy(target, 0, position - this.#start);
  }
}
