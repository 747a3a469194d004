import type { Readable } from "node:stream";

/** The body is longer than allowed; nothing more of it is read. */
export class BodyTooLargeError extends Error {
  readonly limitBytes: number;
  constructor(limitBytes: number) {
    super(`Cannot read the body: longer than ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

/** Reads a whole body of at most `limitBytes`; throws BodyTooLargeError past that, or the stream's error when the peer goes away. */
export async function readBody(body: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limitBytes) throw new BodyTooLargeError(limitBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes);
}
