import type { Clock } from "../../lib/clock.ts";

export interface BodyMemoryOptions {
  /** Most bytes of request bodies held at once. */
  readonly limitBytes: number;
  /** Most requests that wait for room. */
  readonly maxWaiting: number;
  /** Longest wait for room. */
  readonly waitMs: number;
  readonly clock: Clock;
}

/** Room that a request holds; giving it back twice does nothing. */
export interface BodyRoom {
  /** Keeps only this much: the body turned out shorter. */
  shrinkTo(bytes: number): void;
  release(): void;
}

interface Waiting {
  readonly bytes: number;
  readonly resolve: (room: BodyRoom | undefined) => void;
  readonly cancel: () => void;
}

/** One bound for all request bodies together: a request waits its turn for room before a byte of it is read. */
export class BodyMemory {
  readonly #options: BodyMemoryOptions;
  readonly #waiting: Waiting[] = [];
  #usedBytes = 0;

  constructor(options: BodyMemoryOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Room at once, or a promise of it; `undefined` when too many wait or none comes in time. */
  take(bytes: number): BodyRoom | Promise<BodyRoom | undefined> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) return this.#grant(bytes);
    if (this.#waiting.length >= this.#options.maxWaiting) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(this.#options.waitMs, () => this.#giveUp(waiting));
      const waiting: Waiting = { bytes, resolve, cancel };
      this.#waiting.push(waiting);
    });
  }

  /** One body always fits, however small the bound is. */
  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#options.limitBytes;
  }

  #grant(bytes: number): BodyRoom {
    let heldBytes = bytes;
    this.#usedBytes += bytes;
    const shrinkTo = (newBytes: number): void => {
      const freedBytes = Math.max(0, heldBytes - newBytes);
      heldBytes -= freedBytes;
      this.#usedBytes -= freedBytes;
      if (freedBytes > 0) this.#serve();
    };
    return { shrinkTo, release: () => shrinkTo(0) };
  }

  #serve(): void {
    let first = this.#waiting[0];
    while (first !== undefined && this.#fits(first.bytes)) {
      this.#waiting.shift();
      first.cancel();
      first.resolve(this.#grant(first.bytes));
      first = this.#waiting[0];
    }
  }

  #giveUp(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    waiting.resolve(undefined);
    this.#serve();
  }
}
