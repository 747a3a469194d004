/**
 * A map from whole numbers for entries that come and go with every call: a hash table in two arrays that are written over.
 *
 * V8 makes a new table for a Map, a Set or an object's properties every few additions and deletions, and what is left of the old ones keeps
 * what had been in them: it outlives one collection of young objects after another, is copied and at last promoted, until the next full
 * collection. With calls that is all that a call had in memory, some 4 KB, and a pause of 10 ms every 50 MB.
 */
export class ChurningMap<V> {
  #keys: number[] = [];
  /** Undefined: a free place. */
  #values: (V | undefined)[] = [];
  #mask = 0;
  /** What of 32 bits of a hash is not for the place. */
  #shift = 0;
  #size = 0;

  constructor() {
    this.#reset(leastPlaces);
  }

  get size(): number {
    return this.#size;
  }

  get(key: number): V | undefined {
    return this.#values[this.#placeOf(key)];
  }

  set(key: number, value: V): void {
    let place = this.#placeOf(key);
    if (this.#values[place] === undefined) {
      if (this.#size >= this.#values.length / 2) {
        this.#grow();
        place = this.#placeOf(key);
      }
      this.#size += 1;
    }
    this.#keys[place] = key;
    this.#values[place] = value;
  }

  /** What was there is taken out and returned. */
  take(key: number): V | undefined {
    const place = this.#placeOf(key);
    const value = this.#values[place];
    if (value === undefined) return undefined;
    this.#size -= 1;
    this.#close(place);
    return value;
  }

  /** In the order of their numbers, those of this moment. */
  values(): readonly V[] {
    return this.#entries()
      .sort(([a], [b]) => a - b)
      .map(([, value]) => value);
  }

  /** Empties it and returns what was there. */
  takeAll(): readonly V[] {
    const values = this.values();
    this.#reset(leastPlaces);
    return values;
  }

  /** Where the key is, else the free place where it would be. */
  #placeOf(key: number): number {
    let place = this.#homeOf(key);
    while (this.#values[place] !== undefined && this.#keys[place] !== key) place = (place + 1) & this.#mask;
    return place;
  }

  /** Scattered: numbers given out one after another would be one long row, and taking one out would look at all behind it. */
  #homeOf(key: number): number {
    return Math.imul(key, scatter) >>> this.#shift;
  }

  /** Frees a place; what was put behind it for want of it moves up. */
  #close(place: number): void {
    const [keys, values, mask] = [this.#keys, this.#values, this.#mask];
    let free = place;
    for (let next = (free + 1) & mask; values[next] !== undefined; next = (next + 1) & mask) {
      const key = keys[next] ?? 0;
      const wanted = this.#homeOf(key);
      if (((free - wanted) & mask) > ((next - wanted) & mask)) continue;
      keys[free] = key;
      values[free] = values[next];
      free = next;
    }
    values[free] = undefined;
  }

  #grow(): void {
    const entries = this.#entries();
    this.#reset(this.#values.length * 2);
    for (const [key, value] of entries) this.set(key, value);
  }

  #entries(): [number, V][] {
    return this.#values.flatMap((value, place): [number, V][] =>
      value === undefined ? [] : [[this.#keys[place] ?? 0, value]],
    );
  }

  /** `places`: a power of two. */
  #reset(places: number): void {
    this.#keys = Array<number>(places).fill(0);
    this.#values = Array<V | undefined>(places).fill(undefined);
    this.#mask = places - 1;
    this.#shift = Math.clz32(places) + 1;
    this.#size = 0;
  }
}

const leastPlaces = 16;
/** 2^32 by the golden ratio. Source: Knuth, The Art of Computer Programming 3, 6.4. */
const scatter = 0x9e3779b1;
