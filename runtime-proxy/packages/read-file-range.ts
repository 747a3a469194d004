import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

/** What reading takes of a file that is open. */
export interface OpenFile {
  readonly read: (
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ) => Promise<{ readonly bytesRead: number }>;
  readonly stat: () => Promise<{ readonly size: number }>;
  readonly close: () => Promise<void>;
}

/** Longest file that is read at once. */
const heldBytes = 1024 * 1024;

/**
 * For a process that does nothing else meanwhile: a small file is read at once and blocks for that long, where opening, looking and every read
 * would each wait for a thread.
 */
export async function openHeld(path: string): Promise<OpenFile> {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    if (size > heldBytes) return await open(path, "r");
    const content = Buffer.allocUnsafe(size);
    let bytes = 0;
    for (let read = -1; read !== 0 && bytes < size; bytes += read)
      read = readSync(file, content, bytes, size - bytes, bytes);
    return new HeldFile(content.subarray(0, bytes));
  } finally {
    closeSync(file);
  }
}

class HeldFile implements OpenFile {
  readonly #content: Buffer;

  constructor(content: Buffer) {
    this.#content = content;
  }

  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }> {
    const isWithin = position >= 0 && position < this.#content.length;
    const bytesRead = isWithin ? this.#content.copy(buffer, offset, position, position + length) : 0;
    return Promise.resolve({ bytesRead });
  }

  stat(): Promise<{ readonly size: number }> {
    return Promise.resolve({ size: this.#content.length });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Fills the buffer from a place in the file; fewer bytes only at the end of the file. */
export async function readFully(handle: OpenFile, buffer: Buffer, position: number): Promise<number> {
  let bytes = 0;
  while (bytes < buffer.length) {
    const { bytesRead } = await handle.read(buffer, bytes, buffer.length - bytes, position + bytes);
    if (bytesRead === 0) break;
    bytes += bytesRead;
  }
  return bytes;
}

/** The bytes from `start` to before `end`, in pieces. */
export async function* readRange(
  handle: OpenFile,
  start: number,
  end: number,
): AsyncGenerator<Buffer, void, undefined> {
  for (let position = start; position < end;) {
    const buffer = Buffer.allocUnsafe(Math.min(128 * 1024, end - position));
    const bytes = await readFully(handle, buffer, position);
    if (bytes === 0) return;
    yield buffer.subarray(0, bytes);
    position += bytes;
  }
}
