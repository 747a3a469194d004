/** Bytes of an invocation's log that its caller can ask for. Source: Lambda API reference, Invoke, LogType. */
export const LOG_TAIL_BYTES = 4096;

const lineEnd = new Uint8Array([0x0a]);

/** Keeps the last LOG_TAIL_BYTES of what is appended, in one buffer of that size. */
export class LogTail {
  readonly #ring = new Uint8Array(LOG_TAIL_BYTES);
  #writtenBytes = 0;

  append(bytes: Uint8Array): void {
    const kept = bytes.subarray(Math.max(0, bytes.length - LOG_TAIL_BYTES));
    this.#writtenBytes += bytes.length - kept.length;
    const at = this.#writtenBytes % LOG_TAIL_BYTES;
    const untilEnd = Math.min(kept.length, LOG_TAIL_BYTES - at);
    this.#ring.set(kept.subarray(0, untilEnd), at);
    this.#ring.set(kept.subarray(untilEnd), 0);
    this.#writtenBytes += kept.length;
  }

  /** What has to begin a line of its own: one that a process has not finished ends before it. */
  appendLine(bytes: Uint8Array): void {
    const last = this.#ring[(this.#writtenBytes - 1) % LOG_TAIL_BYTES];
    if (this.#writtenBytes > 0 && last !== lineEnd[0]) this.append(lineEnd);
    this.append(bytes);
  }

  bytes(): Uint8Array {
    if (this.#writtenBytes <= LOG_TAIL_BYTES) return this.#ring.slice(0, this.#writtenBytes);
    const at = this.#writtenBytes % LOG_TAIL_BYTES;
    const ordered = new Uint8Array(LOG_TAIL_BYTES);
    ordered.set(this.#ring.subarray(at), 0);
    ordered.set(this.#ring.subarray(0, at), LOG_TAIL_BYTES - at);
    return ordered;
  }
}
