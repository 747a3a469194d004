import { PieceCutter, type TakePiece } from "./piece-cutter.ts";

const newline = 0x0a;
const newlineBytes = Uint8Array.of(newline);
const nothing = new Uint8Array(0);

/**
 * Cuts output into lines: at `\n` only, which stays with its line. Of a line with more than `maxBytes` before its `\n` each piece is one.
 * How the bytes are chunked makes no difference. `take` gets views that are good only while it runs.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #unfinished: PieceCutter;

  /** `maxBytes`: at least 4. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#unfinished = new PieceCutter(maxBytes);
  }

  push(bytes: Uint8Array, take: TakePiece): void {
    let at = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, at)) {
      this.#takeLine(bytes.subarray(at, end + 1), take);
      at = end + 1;
    }
    if (at < bytes.length) this.#unfinished.push(bytes.subarray(at), take);
  }

  /** What has no `\n` yet counts as a line. */
  flush(take: TakePiece): void {
    this.#unfinished.end(nothing, take);
  }

  #takeLine(line: Uint8Array, take: TakePiece): void {
    if (this.#unfinished.isEmpty && line.length - 1 <= this.#maxBytes) {
      take(line);
      return;
    }
    this.#unfinished.push(line.subarray(0, -1), take);
    this.#unfinished.end(newlineBytes, take);
  }
}
