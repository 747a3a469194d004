/**
 * Log records that runtime clients write to the descriptor in `_LAMBDA_TELEMETRY_LOG_FD`. Frame, big-endian: uint32 type, 0xa55a0000 plus
 * bit 0 text (else JSON), bit 1 a timestamp follows, bits 2–4 level | uint32 length of the payload | uint64 µs since 1970, with bit 1 | payload.
 * Source: RIC sources (Java FrameType, Node LogPatch, Python bootstrap).
 */
import { LineSplitter } from "./line-splitter.ts";
import { PieceCutter } from "./piece-cutter.ts";

export interface FramedRecord {
  /** With a `\n` at its end, but for pieces of what was too long for one record. Good only while `take` runs. */
  readonly bytes: Uint8Array;
  /** Microseconds since 1970, as the client says. */
  readonly timestampUs?: number;
}

const shortHeadBytes = 8;
const longHeadBytes = 16;
const hasTimestampBit = 0b10;
/** A head that says more is none, as the supervisor has it. */
const maxPayloadBytes = 16 * 1024 * 1024;
const newline = 0x0a;
const newlineBytes = Uint8Array.of(newline);
const nothing = new Uint8Array(0);

/**
 * Cuts the stream into records, one a frame; of a payload over `maxBytes` each piece is one. Bytes that belong to no frame are lines of text:
 * a function that writes there by hand loses nothing. How the bytes are chunked makes no difference.
 */
export class FramedLogReader {
  readonly #maxBytes: number;
  readonly #stray: LineSplitter;
  readonly #head = new Uint8Array(longHeadBytes);
  #headBytes = 0;
  #payload: PayloadReader | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#stray = new LineSplitter(maxBytes);
  }

  push(bytes: Uint8Array, take: (record: FramedRecord) => void): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#payload === undefined) rest = this.#readHead(rest, take);
      else {
        rest = this.#payload.push(rest, take);
        if (this.#payload.isComplete) this.#payload = undefined;
      }
    }
  }

  /** What is unfinished counts as a record: nothing more will come. */
  flush(take: (record: FramedRecord) => void): void {
    this.#payload?.end(take);
    this.#payload = undefined;
    this.#stray.push(this.#head.subarray(0, this.#headBytes), (line) => take({ bytes: line }));
    this.#headBytes = 0;
    this.#stray.flush((line) => take({ bytes: line }));
  }

  /** Takes bytes until a head is complete or these bytes are used up; returns the rest. */
  #readHead(bytes: Uint8Array, take: (record: FramedRecord) => void): Uint8Array {
    if (this.#headBytes === 0 && bytes[0] !== 0xa5) {
      const next = bytes.indexOf(0xa5);
      const stray = next === -1 ? bytes : bytes.subarray(0, next);
      this.#stray.push(stray, (line) => take({ bytes: line }));
      return bytes.subarray(stray.length);
    }
    this.#head[this.#headBytes] = bytes[0] ?? 0;
    this.#headBytes += 1;
    if (!isHeadStart(this.#head, this.#headBytes)) this.#dropHead(take);
    else if (this.#headBytes >= shortHeadBytes && this.#headBytes === headBytes(this.#head)) this.#begin(take);
    return bytes.subarray(1);
  }

  /** No head after all: its first byte is text, and what follows may begin one. */
  #dropHead(take: (record: FramedRecord) => void): void {
    const seen = this.#head.slice(0, this.#headBytes);
    this.#headBytes = 0;
    this.#stray.push(seen.subarray(0, 1), (line) => take({ bytes: line }));
    for (let rest: Uint8Array = seen.subarray(1); rest.length > 0;) rest = this.#readHead(rest, take);
  }

  #begin(take: (record: FramedRecord) => void): void {
    this.#stray.flush((line) => take({ bytes: line }));
    const view = new DataView(this.#head.buffer);
    const timestampUs = this.#headBytes === longHeadBytes ? Number(view.getBigUint64(8)) : undefined;
    this.#payload = new PayloadReader(view.getUint32(4), timestampUs, this.#maxBytes);
    this.#headBytes = 0;
    if (!this.#payload.isComplete) return;
    this.#payload.end(take);
    this.#payload = undefined;
  }
}

/** Whether these first bytes can be those of a head. */
function isHeadStart(head: Uint8Array, count: number): boolean {
  const [a = 0, b = 0, c = 0, d = 0] = head;
  if (a !== 0xa5 || (count > 1 && b !== 0x5a) || (count > 2 && c !== 0) || (count > 3 && d >= 0x20)) return false;
  return count < shortHeadBytes || new DataView(head.buffer).getUint32(4) <= maxPayloadBytes;
}

function headBytes(head: Uint8Array): number {
  return ((head[3] ?? 0) & hasTimestampBit) === 0 ? shortHeadBytes : longHeadBytes;
}

/** One frame's payload: a record, or several when it is too long for one. */
class PayloadReader {
  readonly #timestampUs: number | undefined;
  readonly #pieces: PieceCutter;
  #missingBytes: number;
  #lastByte = 0;

  constructor(payloadBytes: number, timestampUs: number | undefined, maxBytes: number) {
    this.#missingBytes = payloadBytes;
    this.#timestampUs = timestampUs;
    this.#pieces = new PieceCutter(maxBytes);
  }

  get isComplete(): boolean {
    return this.#missingBytes === 0;
  }

  /** Takes what belongs to the payload; returns the rest. */
  push(bytes: Uint8Array, take: (record: FramedRecord) => void): Uint8Array {
    const own = bytes.subarray(0, this.#missingBytes);
    this.#missingBytes -= own.length;
    this.#lastByte = own.at(-1) ?? 0;
    this.#pieces.push(own, (piece) => this.#give(piece, take));
    if (this.#missingBytes === 0) this.end(take);
    return bytes.subarray(own.length);
  }

  end(take: (record: FramedRecord) => void): void {
    this.#pieces.end(this.#lastByte === newline ? nothing : newlineBytes, (piece) => this.#give(piece, take));
  }

  #give(bytes: Uint8Array, take: (record: FramedRecord) => void): void {
    take(this.#timestampUs === undefined ? { bytes } : { bytes, timestampUs: this.#timestampUs });
  }
}
