import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { countPassing } from "./buffer-garbage.ts";
import { PackageError } from "./package-error.ts";
import type { ByteRange } from "./store.ts";

const readBytes = 256 * 1024;

/**
 * Streams a range of a file whose content must have this sha256, hex. The last bytes come only after the digest of the whole was
 * compared: if it differs the stream fails, and `onDamaged` is called. Closes the file.
 */
export function streamVerified(
  hex: string,
  handle: FileHandle,
  range: ByteRange,
  onDamaged: () => Promise<unknown>,
): Readable {
  const stream = Readable.from(readVerified(hex, handle, range, onDamaged), {
    objectMode: false,
    highWaterMark: readBytes,
  });
  // A stream that nobody started never runs its generator, which is who closes the file otherwise.
  stream.once("close", () => void handle.close().catch(() => undefined));
  return stream;
}

async function* readVerified(
  hex: string,
  handle: FileHandle,
  range: ByteRange,
  onDamaged: () => Promise<unknown>,
): AsyncGenerator<Buffer, void, undefined> {
  const hash = createHash("sha256");
  let held: Buffer | undefined;
  let position = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(readBytes), 0, readBytes, position);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    hash.update(chunk);
    countPassing(bytesRead);
    const wanted = chunk.subarray(Math.max(0, range.start - position), Math.max(0, range.end + 1 - position));
    position += bytesRead;
    if (wanted.length === 0) continue;
    if (held !== undefined) yield held;
    held = wanted;
  }
  if (hash.digest("hex") !== hex) {
    await onDamaged();
    throw damagedError(hex);
  }
  if (held !== undefined) yield held;
}

export function damagedError(hex: string): PackageError {
  return new PackageError("PackageNotFound", `Cannot read package "sha256:${hex}": its content is damaged`);
}
