/**
 * Records of the runtime clients on their telemetry descriptor, framed, big-endian: uint32 type (0xa55a0000, bit 0 text, bit 1 a time is there,
 * bits 2 to 4 level), uint32 length of the text, uint64 time in microseconds where bit 1 says so, text. Source: telemetry-api.md 4.
 */

const magic = Buffer.from([0xa5, 0x5a, 0x00]);
const typeBits = 0x1f;
const hasTime = 1 << 1;
const headBytes = 8;
const timeBytes = 8;
/** Up to here a record goes to the log in one piece, a longer one as it comes. */
const maxHeldBytes = 256 * 1024;
/** What says that it is longer is no record. */
const maxRecordBytes = 16 * 1024 * 1024;
const lineEnd = Buffer.from("\n");

/** Takes the texts out of a stream of records, each as lines that end. What is no record goes through as it is. */
export class RecordReader {
  #held: Buffer = Buffer.alloc(0);
  /** Still to come of a record that is too long to be held. */
  #left = 0;
  #endsLine = true;

  /** The text that is whole by now; a copy. */
  take(bytes: Buffer): Buffer {
    const held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    const texts: Buffer[] = [];
    let used = 0;
    while (used < held.length) {
      const taken = this.#takeOne(held.subarray(used), texts);
      if (taken === 0) break;
      used += taken;
    }
    this.#held = held.subarray(used);
    return Buffer.concat(texts);
  }

  /** What the stream's end has cut off: of a record what there is of its text, as a line. */
  finish(): Buffer {
    const held = this.#held;
    const head = readHead(held);
    const text = head === undefined ? held : held.subarray(head.bytes);
    const isCut = (head !== undefined && text.length > 0) || (this.#left > 0 && !this.#endsLine);
    this.#held = Buffer.alloc(0);
    this.#left = 0;
    return isCut && !endsLine(text) ? Buffer.concat([text, lineEnd]) : text;
  }

  /** Takes a record, garbage, or a part of either from the front; returns how much, 0 when more has to come first. */
  #takeOne(bytes: Buffer, texts: Buffer[]): number {
    if (this.#left > 0) return this.#takePart(bytes.subarray(0, this.#left), texts);
    const garbage = garbageBytes(bytes);
    if (garbage > 0) return texts.push(bytes.subarray(0, garbage)) && garbage;
    const head = readHead(bytes);
    if (head === undefined) return 0;
    if (head.textBytes > maxHeldBytes) {
      this.#left = head.textBytes;
      this.#endsLine = true;
      return head.bytes;
    }
    const end = head.bytes + head.textBytes;
    if (bytes.length < end) return 0;
    const text = bytes.subarray(head.bytes, end);
    texts.push(text, ...(endsLine(text) ? [] : [lineEnd]));
    return end;
  }

  #takePart(part: Buffer, texts: Buffer[]): number {
    this.#left -= part.length;
    this.#endsLine = endsLine(part);
    texts.push(part, ...(this.#left > 0 || this.#endsLine ? [] : [lineEnd]));
    return part.length;
  }
}

/** undefined when it is not a record or its head is not there whole. */
function readHead(bytes: Buffer): { readonly bytes: number; readonly textBytes: number } | undefined {
  if (bytes.length < headBytes || !mayBeginRecord(bytes, 0)) return undefined;
  const whole = headBytes + ((bytes.readUInt8(3) & hasTime) === 0 ? 0 : timeBytes);
  return bytes.length < whole ? undefined : { bytes: whole, textBytes: bytes.readUInt32BE(4) };
}

/** Bytes before the first place where a record may begin. */
function garbageBytes(bytes: Buffer): number {
  for (let at = 0; ; at += 1) {
    at = bytes.indexOf(magic.subarray(0, 1), at);
    if (at < 0) return bytes.length;
    if (mayBeginRecord(bytes, at)) return at;
  }
}

function mayBeginRecord(bytes: Buffer, at: number): boolean {
  const there = bytes.length - at;
  if (bytes.compare(magic, 0, Math.min(there, magic.length), at, at + Math.min(there, magic.length)) !== 0)
    return false;
  if (there > magic.length && (bytes.readUInt8(at + magic.length) & ~typeBits) !== 0) return false;
  return there < headBytes || bytes.readUInt32BE(at + 4) <= maxRecordBytes;
}

function endsLine(text: Buffer): boolean {
  return text.at(-1) === 0x0a;
}
