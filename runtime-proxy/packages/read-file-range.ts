import type { FileHandle } from "node:fs/promises";

/** Fills the buffer from a place in the file; fewer bytes only at the end of the file. */
export async function readFully(handle: FileHandle, buffer: Buffer, position: number): Promise<number> {
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
  handle: FileHandle,
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
