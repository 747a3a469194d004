/** Finds keys by values computed from what they stand for. */
export class ObjectIndex<T> {
  readonly #valuesOf: Readonly<Record<string, (object: T) => readonly string[]>>;
  readonly #keysByValue = new Map<string, Map<string, Set<string>>>();
  readonly #placesByKey = new Map<string, readonly (readonly [index: string, value: string])[]>();

  constructor(valuesOf: Readonly<Record<string, (object: T) => readonly string[]>>) {
    this.#valuesOf = valuesOf;
    for (const index of Object.keys(valuesOf)) this.#keysByValue.set(index, new Map());
  }

  put(key: string, object: T): void {
    this.remove(key);
    const places = Object.entries(this.#valuesOf).flatMap(([index, valuesOf]) =>
      valuesOf(object).map((value) => [index, value] as const),
    );
    for (const [index, value] of places) {
      const keysByValue = this.#of(index);
      const keys = keysByValue.get(value);
      if (keys === undefined) keysByValue.set(value, new Set([key]));
      else keys.add(key);
    }
    if (places.length > 0) this.#placesByKey.set(key, places);
  }

  remove(key: string): void {
    for (const [index, value] of this.#placesByKey.get(key) ?? []) {
      const keysByValue = this.#of(index);
      const keys = keysByValue.get(value);
      keys?.delete(key);
      if (keys?.size === 0) keysByValue.delete(value);
    }
    this.#placesByKey.delete(key);
  }

  keysOf(index: string, value: string): readonly string[] {
    return [...(this.#of(index).get(value) ?? [])];
  }

  #of(index: string): Map<string, Set<string>> {
    const found = this.#keysByValue.get(index);
    if (found === undefined) throw new TypeError(`Cannot look up index "${index}": it was not declared`);
    return found;
  }
}
