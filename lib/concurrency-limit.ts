import { Queue } from "./queue.ts";

/** Runs tasks, at most `atOnce` at the same time, in the order they came. */
export class ConcurrencyLimit {
  readonly #waiting = new Queue<() => void>();
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Tasks that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.add(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.takeFirst();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
