import type { Clock } from "./clock.ts";

export interface IdleMemoryParts {
  readonly clock: Clock;
  /** Whether nothing runs that would wait for a collection. */
  readonly isIdle: () => boolean;
  /** Gives free memory back to the system; takes about 15 ms in an agent. */
  readonly giveBack: () => void;
  /** Unused for so long it is given back. */
  readonly quietMs: number;
}

/** Has memory given back once a process has been quiet for a while, and again only after it was used in between. */
export class IdleMemory {
  readonly #parts: IdleMemoryParts;
  #quietMs: number;
  #usedAtMs = 0;
  #isWatching = false;
  #cancel: () => void = () => undefined;

  constructor(parts: IdleMemoryParts) {
    this.#parts = parts;
    this.#quietMs = parts.quietMs;
  }

  /** Something was done; from now on `quietMs` is how long it has to be quiet. Costs no timer while one runs. */
  used(quietMs = this.#quietMs): void {
    this.#quietMs = quietMs;
    this.#usedAtMs = this.#parts.clock.monotonicMs();
    if (!this.#isWatching) this.#look(quietMs);
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

/** Collects all garbage and gives the memory back to the system, where Node.js was started with --expose-gc; else does nothing. */
export function giveMemoryBack(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
