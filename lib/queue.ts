/** What is taken in the order in which it came, however much waits: the first of an array of many thousands costs a copy of all the others. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  /** Before it all have been taken. */
  #first = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  add(item: T): void {
    this.#items.push(item);
  }

  /** Undefined when there is none. */
  takeFirst(): T | undefined {
    const item = this.#items[this.#first];
    if (this.size === 0) return undefined;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length || this.#first >= mostTaken + this.size) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}

/** So many places of what was taken are kept before the others move up. */
const mostTaken = 64;
