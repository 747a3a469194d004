/**
 * Frames on a byte stream: uint32 big-endian length of what follows | uint8 kind | payload.
 * The length counts the kind, so the smallest frame says 1; the largest is a bound that both ends share.
 */

/** Largest length that a frame may say, bytes, unless a reader is given another bound. */
export const DEFAULT_MAX_FRAME_BYTES = 1024 * 1024;

const LENGTH_BYTES = 4;
const HEAD_BYTES = LENGTH_BYTES + 1;

export interface Frame {
  /** One ASCII character. */
  readonly kind: string;
  /** A view of the received bytes, not a copy, when the frame came in one piece. */
  readonly payload: Buffer;
}

/** A length outside 1…bound. The stream cannot be read on: where the next frame begins is unknown. */
export class FrameTooLargeError extends Error {
  override readonly name = "FrameTooLargeError";
  readonly frameBytes: number;

  constructor(action: string, frameBytes: number, maxFrameBytes: number) {
    super(`Cannot ${action}: it has ${frameBytes} bytes, right is 1 to ${maxFrameBytes}`);
    this.frameBytes = frameBytes;
  }
}

/** One frame as bytes; text goes as UTF-8, an object as JSON. Throws FrameTooLargeError above the default bound, RangeError when `kind` is not one ASCII character. */
export function encodeFrame(kind: string, payload: Buffer | string | object): Buffer {
  const code = kind.charCodeAt(0);
  if (kind.length !== 1 || code < 0x20 || code > 0x7e)
    throw new RangeError(`Cannot encode frame: kind ${JSON.stringify(kind)} is not one ASCII character`);
  const body = Buffer.isBuffer(payload) || typeof payload === "string" ? payload : JSON.stringify(payload);
  const length = Buffer.byteLength(body) + 1;
  if (length > DEFAULT_MAX_FRAME_BYTES) {
    throw new FrameTooLargeError(`encode frame "${kind}"`, length, DEFAULT_MAX_FRAME_BYTES);
  }
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame[LENGTH_BYTES] = code;
  if (typeof body === "string") frame.write(body, HEAD_BYTES);
  else body.copy(frame, HEAD_BYTES);
  return frame;
}

/** Cuts a stream into frames. Holds at most one unfinished frame, and joins pieces once a frame and not once a chunk. */
export class FrameReader {
  readonly #maxFrameBytes: number;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes to hold before it is worth looking again. */
  #wanted = LENGTH_BYTES;

  constructor(maxFrameBytes = DEFAULT_MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Bytes of an unfinished frame: when the stream ends and this is not 0, it was cut off. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Takes the stream's next bytes, returns the frames that they complete. Throws FrameTooLargeError; the reader is then of no more use. */
  push(chunk: Buffer): Frame[] {
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return [];
    const bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces, this.#held);
    const frames: Frame[] = [];
    let offset = 0;
    this.#wanted = LENGTH_BYTES;
    while (bytes.length - offset >= LENGTH_BYTES) {
      const length = this.#readLength(bytes, offset);
      if (bytes.length - offset < LENGTH_BYTES + length) {
        this.#wanted = LENGTH_BYTES + length;
        break;
      }
      const end = offset + LENGTH_BYTES + length;
      frames.push({
        kind: String.fromCharCode(bytes.readUInt8(offset + LENGTH_BYTES)),
        payload: bytes.subarray(offset + HEAD_BYTES, end),
      });
      offset = end;
    }
    this.#held = bytes.length - offset;
    this.#pieces = this.#held === 0 ? [] : [bytes.subarray(offset)];
    return frames;
  }

  #readLength(bytes: Buffer, offset: number): number {
    const length = bytes.readUInt32BE(offset);
    if (length === 0 || length > this.#maxFrameBytes) {
      throw new FrameTooLargeError("read frame", length, this.#maxFrameBytes);
    }
    return length;
  }
}
