/** Lets every key run at most so many steps at once; nobody waits. */
export class UploadSlots {
  readonly #atOnce: number;
  readonly #runningByKey = new Map<string, number>();

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Undefined when the key has no slot left. */
  async run<T>(key: string, step: () => Promise<T>): Promise<T | undefined> {
    const running = this.#runningByKey.get(key) ?? 0;
    if (running >= this.#atOnce) return undefined;
    this.#runningByKey.set(key, running + 1);
    try {
      return await step();
    } finally {
      const left = (this.#runningByKey.get(key) ?? 1) - 1;
      if (left === 0) this.#runningByKey.delete(key);
      else this.#runningByKey.set(key, left);
    }
  }
}
