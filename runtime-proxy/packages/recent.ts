/** Values that are believed for a while. */
export class Recent<T> {
  readonly #forMs: number;
  readonly #elapsedMs: () => number;
  readonly #entryByKey = new Map<string, { readonly value: T; readonly untilMs: number }>();

  constructor(forMs: number, elapsedMs: () => number) {
    this.#forMs = forMs;
    this.#elapsedMs = elapsedMs;
  }

  get(key: string): T | undefined {
    const entry = this.#entryByKey.get(key);
    return entry !== undefined && entry.untilMs > this.#elapsedMs() ? entry.value : undefined;
  }

  set(key: string, value: T): void {
    if (this.#entryByKey.size >= most) this.#entryByKey.clear();
    this.#entryByKey.set(key, { value, untilMs: this.#elapsedMs() + this.#forMs });
  }

  delete(key: string): void {
    this.#entryByKey.delete(key);
  }

  clear(): void {
    this.#entryByKey.clear();
  }
}

const most = 20_000;
