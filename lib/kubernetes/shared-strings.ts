/** Shorter ones cost as little as what knows them. Ten and fewer characters are shared by the JSON parser already. */
const shortest = 11;
/** Longer ones are seldom equal and take long to compare: 16 Ki characters. */
const longest = 16_384;

export interface SharedStringsOptions {
  /** When more characters than this are known, it begins anew: what is shared stays shared. Default 1,000,000. */
  readonly mostCharacters?: number;
}

/**
 * Makes equal strings of parsed JSON one string: each object of a watch is parsed by itself, and a version's snapshot repeats most of the
 * former one's. Knows the strings of late, so it holds little by itself.
 */
export class SharedStrings {
  readonly #mostCharacters: number;
  readonly #known = new Map<string, string>();
  #characters = 0;

  constructor({ mostCharacters = 1_000_000 }: SharedStringsOptions = {}) {
    this.#mostCharacters = mostCharacters;
  }

  /** Changes `value`, which has to be nobody else's, in place. */
  share<T>(value: T): T {
    if (typeof value === "string") return this.#shared(value) as T;
    if (typeof value !== "object" || value === null) return value;
    const members = value as Record<string, unknown>;
    for (const name in members) {
      const member = members[name];
      if (typeof member === "string") members[name] = this.#shared(member);
      else this.share(member);
    }
    return value;
  }

  #shared(text: string): string {
    if (text.length < shortest || text.length > longest) return text;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#characters > this.#mostCharacters) {
      this.#known.clear();
      this.#characters = 0;
    }
    this.#known.set(text, text);
    this.#characters += text.length;
    return text;
  }
}
