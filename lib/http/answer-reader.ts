/** Reads the answers on one connection, each to its end, from the bytes as they come. Pure. Source: RFC 9112. */

/** What an answer is made of, in this order; `data` any number of times. */
export interface AnswerSink {
  head(status: number, headers: AnswerFields): void;
  data(chunk: Buffer): void;
  /** `isLast`: the connection takes no other request. */
  end(trailers: AnswerFields, isLast: boolean): void;
}

/** Lower-case names; repeated ones joined by ", ". */
export type AnswerFields = Readonly<Record<string, string>>;

/** The bytes are no answer: what follows cannot be read either. */
export class AnswerFormatError extends Error {
  override readonly name = "AnswerFormatError";
  constructor(problem: string) {
    super(`Cannot read the answer: ${problem}`);
  }
}

type Place =
  /** Before or in the head. */
  | "head"
  /** In a body of a known length. */
  | "body"
  | "chunkSize"
  | "chunk"
  | "chunkEnd"
  | "trailers";

const noBytes = Buffer.alloc(0);
const noFields: AnswerFields = {};
const statusLine = /^HTTP\/1\.1 ([2-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/;
const fieldLines = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const chunkSizeLine = /^[0-9a-fA-F]{1,8}$/;
/** Of a line with a chunk's size. */
const longestSizeLine = 10;

export class AnswerReader {
  readonly #mostHeadBytes: number;
  #place: Place = "head";
  /** Of a head, a size or trailers that are not here whole. */
  #held: Buffer = noBytes;
  /** Of the body or the chunk. */
  #bytesLeft = 0;
  #isLast = false;

  /** `mostHeadBytes`: of a head, and of trailers. */
  constructor(mostHeadBytes: number) {
    this.#mostHeadBytes = mostHeadBytes;
  }

  /** Takes the next bytes; throws an AnswerFormatError, and is then of no more use. Bytes behind an answer's end are an error: nothing was asked. */
  push(bytes: Buffer, sink: AnswerSink): void {
    let rest = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = noBytes;
    while (rest.length > 0) {
      const taken = this.#take(rest, sink);
      if (taken === 0) {
        this.#held = rest;
        return;
      }
      if (this.#place === "head" && taken < rest.length) throw new AnswerFormatError("it goes on behind its end");
      rest = rest.subarray(taken);
    }
  }

  /** Returns how much was of use. */
  #take(bytes: Buffer, sink: AnswerSink): number {
    switch (this.#place) {
      case "head":
        return this.#takeHead(bytes, sink);
      case "body":
      case "chunk":
        return this.#takeData(bytes, sink);
      case "chunkSize":
        return this.#takeChunkSize(bytes);
      case "chunkEnd":
        return this.#takeChunkEnd(bytes);
      case "trailers":
        return this.#takeTrailers(bytes, sink);
    }
  }

  #takeHead(bytes: Buffer, sink: AnswerSink): number {
    const end = this.#endOf(bytes, "\r\n\r\n");
    if (end < 0) return 0;
    const text = bytes.toString("latin1", 0, end + 2);
    const [first = "", status] = statusLine.exec(text) ?? [];
    if (status === undefined) throw new AnswerFormatError("its first line is no status line of HTTP/1.1");
    this.#beginBody(Number(status), readFields(text.slice(first.length)), sink);
    return end + 4;
  }

  #beginBody(status: number, headers: AnswerFields, sink: AnswerSink): void {
    this.#isLast = headers["connection"]?.toLowerCase() === "close";
    const hasBody = status !== 204 && status !== 304;
    const { "content-length": length, "transfer-encoding": coding } = headers;
    if (coding !== undefined && (coding.toLowerCase() !== "chunked" || length !== undefined))
      throw new AnswerFormatError("how long it is can be read in two ways");
    if (hasBody && coding === undefined && !/^[0-9]{1,15}$/.test(length ?? ""))
      throw new AnswerFormatError("it does not say how long it is");
    sink.head(status, headers);
    if (hasBody && coding !== undefined) this.#place = "chunkSize";
    else {
      this.#bytesLeft = hasBody ? Number(length) : 0;
      if (this.#bytesLeft === 0) sink.end(noFields, this.#isLast);
      else this.#place = "body";
    }
  }

  #takeData(bytes: Buffer, sink: AnswerSink): number {
    const own = bytes.length > this.#bytesLeft ? bytes.subarray(0, this.#bytesLeft) : bytes;
    this.#bytesLeft -= own.length;
    if (this.#bytesLeft > 0) sink.data(own);
    else if (this.#place === "chunk") {
      this.#place = "chunkEnd";
      sink.data(own);
    } else {
      this.#place = "head";
      sink.data(own);
      sink.end(noFields, this.#isLast);
    }
    return own.length;
  }

  #takeChunkSize(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n", 0, "latin1");
    if (end < 0 && bytes.length <= longestSizeLine) return 0;
    const line = bytes.toString("latin1", 0, Math.max(0, end));
    if (!chunkSizeLine.test(line)) throw new AnswerFormatError("a chunk's size is no number");
    this.#bytesLeft = parseInt(line, 16);
    this.#place = this.#bytesLeft === 0 ? "trailers" : "chunk";
    return end + 2;
  }

  #takeChunkEnd(bytes: Buffer): number {
    if (bytes.length < 2) return 0;
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) throw new AnswerFormatError("a chunk is longer than its size");
    this.#place = "chunkSize";
    return 2;
  }

  #takeTrailers(bytes: Buffer, sink: AnswerSink): number {
    const hasNone = bytes[0] === 0x0d && bytes[1] === 0x0a;
    const end = hasNone ? -2 : this.#endOf(bytes, "\r\n\r\n");
    if (end === -1) return 0;
    const trailers = hasNone ? noFields : readFields(bytes.toString("latin1", 0, end + 2));
    this.#place = "head";
    sink.end(trailers, this.#isLast);
    return end + 4;
  }

  #endOf(bytes: Buffer, mark: string): number {
    const end = bytes.indexOf(mark, 0, "latin1");
    if ((end < 0 ? bytes.length : end) > this.#mostHeadBytes)
      throw new AnswerFormatError(`its headers have more than ${this.#mostHeadBytes} bytes`);
    return end;
  }
}

/** Lines with their line breaks. */
function readFields(lines: string): AnswerFields {
  if (!fieldLines.test(lines)) throw new AnswerFormatError("a header is none");
  const fields: Record<string, string> = {};
  for (let at = 0; at < lines.length;) {
    const colon = lines.indexOf(":", at);
    const end = lines.indexOf("\r\n", colon);
    const name = lines.slice(at, colon).toLowerCase();
    const value = lines.slice(colon + 1, end).trim();
    const known = Object.hasOwn(fields, name) ? fields[name] : undefined;
    fields[name] = known === undefined ? value : `${known}, ${value}`;
    at = end + 2;
  }
  return fields;
}
