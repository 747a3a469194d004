/** Largest streamed payload, bytes. Source: developer guide, gettingstarted-limits (200 MB). */
export const MAX_STREAM_BYTES = 200 * 1024 * 1024;

/** What a stream may send at full speed, bytes. Source: developer guide, configuration-response-streaming; emulator core/bandwidthlimiter. */
const burstBytes = 6 * 1024 * 1024;

/** A bucket that begins full: the first 6 MiB go at once, what follows at a rate. */
export class StreamBudget {
  readonly #bytesPerSecond: number;
  #freeBytes = burstBytes;
  #atMs: number;

  /** 0: no limit. */
  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
  }

  /** How long to wait before these bytes may go, ms. */
  take(bytes: number, nowMs: number): number {
    if (this.#bytesPerSecond === 0) return 0;
    const refilled = ((nowMs - this.#atMs) / 1000) * this.#bytesPerSecond;
    this.#freeBytes = Math.min(burstBytes, this.#freeBytes + refilled) - bytes;
    this.#atMs = nowMs;
    return this.#freeBytes >= 0 ? 0 : (-this.#freeBytes / this.#bytesPerSecond) * 1000;
  }
}
