/** A bounded map whose room namespaces share. Pure. */

export interface NamespaceSharesOptions<Value> {
  /** Most entries at once. */
  readonly most: number;
  /** May be forgotten where room is short. */
  readonly isOld: (value: Value, nowMs: number) => boolean;
}

interface Entry<Value> {
  readonly namespace: string;
  readonly value: Value;
}

/** Where there is no room all entries are looked through for old ones, once in this time at most. */
const lookEveryMs = 60_000;

/**
 * A namespace may have as many entries as are free: half of all if it is alone, and others find room whatever one does. Nothing that is
 * there gives way. Source: Choudhury and Hahne, Dynamic queue length thresholds.
 */
export class NamespaceShares<Value> {
  readonly #options: NamespaceSharesOptions<Value>;
  readonly #entryByKey = new Map<string, Entry<Value>>();
  readonly #countByNamespace = new Map<string, number>();
  #lookedAtMs = -Infinity;

  constructor(options: NamespaceSharesOptions<Value>) {
    this.#options = options;
  }

  get(key: string): Value | undefined {
    return this.#entryByKey.get(key)?.value;
  }

  /** For a key that is not there; undefined: there is no room, and `make` is not called. */
  add(key: string, { namespace, nowMs }: { namespace: string; nowMs: number }, make: () => Value): Value | undefined {
    if (!this.#hasRoom(namespace)) {
      if (nowMs - this.#lookedAtMs < lookEveryMs) return undefined;
      this.forgetOld(nowMs);
      if (!this.#hasRoom(namespace)) return undefined;
    }
    const value = make();
    this.#entryByKey.set(key, { namespace, value });
    this.#countByNamespace.set(namespace, this.#count(namespace) + 1);
    return value;
  }

  *values(): Iterable<Value> {
    for (const { value } of this.#entryByKey.values()) yield value;
  }

  forgetOld(nowMs: number): void {
    this.#lookedAtMs = nowMs;
    for (const [key, { namespace, value }] of this.#entryByKey) {
      if (!this.#options.isOld(value, nowMs)) continue;
      this.#entryByKey.delete(key);
      const left = this.#count(namespace) - 1;
      if (left === 0) this.#countByNamespace.delete(namespace);
      else this.#countByNamespace.set(namespace, left);
    }
  }

  #hasRoom(namespace: string): boolean {
    return this.#count(namespace) < this.#options.most - this.#entryByKey.size;
  }

  #count(namespace: string): number {
    return this.#countByNamespace.get(namespace) ?? 0;
  }
}
