/** What a first piece is kept in; it grows as needed. */
const firstBytes = 256;

export type TakePiece = (piece: Uint8Array) => void;

/** Collects bytes into pieces of at most `maxBytes`, cut between UTF-8 characters. How the bytes are chunked makes no difference. */
export class PieceCutter {
  readonly #maxBytes: number;
  /** A copy, so that a few bytes do not hold on to the chunk that they came in. */
  #held = new Uint8Array(0);
  #heldBytes = 0;

  /** `maxBytes`: at least 4. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#heldBytes === 0;
  }

  /** `take` gets the pieces that are full, as views that are good only while it runs; at least one byte is left. */
  push(bytes: Uint8Array, take: TakePiece): void {
    let rest = bytes;
    while (this.#heldBytes + rest.length > this.#maxBytes) {
      const pieceBytes = this.#pieceBytes(rest);
      const more = Math.max(0, pieceBytes - this.#heldBytes);
      this.#hold(rest.subarray(0, more));
      rest = rest.subarray(more);
      this.#release(pieceBytes, take);
    }
    this.#hold(rest);
  }

  /** Gives what is left, and `suffix` with it, whatever their size. */
  end(suffix: Uint8Array, take: TakePiece): void {
    this.#hold(suffix);
    if (this.#heldBytes > 0) this.#release(this.#heldBytes, take);
  }

  /** The most of held bytes and `rest` that ends with a character. */
  #pieceBytes(rest: Uint8Array): number {
    for (let end = this.#maxBytes; end > this.#maxBytes - 4; end -= 1) {
      const next = end < this.#heldBytes ? this.#held[end] : rest[end - this.#heldBytes];
      if (((next ?? 0) & 0xc0) !== 0x80) return end;
    }
    return this.#maxBytes; // no UTF-8
  }

  #hold(bytes: Uint8Array): void {
    const wanted = this.#heldBytes + bytes.length;
    if (wanted > this.#held.length) {
      const grown = new Uint8Array(Math.max(wanted, 2 * this.#held.length, firstBytes));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = wanted;
  }

  #release(bytes: number, take: TakePiece): void {
    take(this.#held.subarray(0, bytes));
    this.#held.copyWithin(0, bytes, this.#heldBytes);
    this.#heldBytes -= bytes;
    if (this.#heldBytes === 0 && this.#held.length > 16 * firstBytes) this.#held = new Uint8Array(0);
  }
}
