import type { StagedContent } from "./store.ts";

const gatheredBytes = 256 * 1024;

/** Many small pieces are few writes. They are copied: whose buffers they are may be freed. */
export class Gathered {
  readonly #into: Pick<StagedContent, "write">;
  #buffer = Buffer.allocUnsafeSlow(gatheredBytes);
  #pending = 0;
  /** With those that are not written yet; from where it began. */
  bytes = 0;

  constructor(into: Pick<StagedContent, "write">, startBytes = 0) {
    this.#into = into;
    this.bytes = startBytes;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.bytes += piece.length;
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + gatheredBytes - this.#pending);
      this.#buffer.set(part, this.#pending);
      this.#pending += part.length;
      from += part.length;
      if (this.#pending === gatheredBytes) await this.flush();
    }
  }

  async flush(): Promise<void> {
    if (this.#pending === 0) return;
    const together = this.#buffer.subarray(0, this.#pending);
    this.#pending = 0;
    await this.#into.write(together);
  }
}
