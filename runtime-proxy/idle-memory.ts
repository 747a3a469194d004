import type { Clock } from "../lib/clock.ts";

export interface IdleMemoryParts {
  readonly clock: Clock;
  /** Whether nothing runs that would wait for a collection. */
  readonly isIdle: () => boolean;
  /** Gives free memory back to the system; takes about 15 ms. */
  readonly giveBack: () => void;
}

/** After an init: what it left behind is of no use to calls. */
const quietAfterInitMs = 1000;
/** After a call: with the memory goes code that was compiled for it, and the next call is some milliseconds slower. */
const quietAfterCallMs = 60_000;

/** Has memory given back once an agent has been quiet for a while, and again only after it was used in between. */
export class IdleMemory {
  readonly #parts: IdleMemoryParts;
  #quietMs = quietAfterInitMs;
  #usedAtMs = 0;
  #isWatching = false;
  #cancel: () => void = () => undefined;

  constructor(parts: IdleMemoryParts) {
    this.#parts = parts;
  }

  /** The environment changed its state. */
  changed(): void {
    this.#usedAtMs = this.#parts.clock.monotonicMs();
    if (!this.#isWatching) this.#look(this.#quietMs);
  }

  /** A call has ended; costs no timer while another runs. */
  called(): void {
    this.#quietMs = quietAfterCallMs;
    this.changed();
  }

  stop(): void {
    this.#isWatching = true;
    this.#cancel();
  }

  #look(afterMs: number): void {
    this.#isWatching = true;
    this.#cancel = this.#parts.clock.schedule(afterMs, () => {
      const leftMs = this.#usedAtMs + this.#quietMs - this.#parts.clock.monotonicMs();
      if (leftMs > 0) {
        this.#look(leftMs);
        return;
      }
      this.#isWatching = false;
      if (this.#parts.isIdle()) this.#parts.giveBack();
    });
  }
}
