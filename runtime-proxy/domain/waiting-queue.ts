/** Calls that wait for an environment, in the order of their arrival. One that was refused elsewhere gets its old place back. */
export class WaitingQueue<T extends { readonly arrival: number }> {
  readonly #waiting: T[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** Nearly always the newest, so that the search from the end is short. */
  add(call: T): void {
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1]?.arrival ?? -Infinity) > call.arrival) place -= 1;
    this.#waiting.splice(place, 0, call);
  }

  /** The one that has waited longest, taken out. */
  takeFirst(): T | undefined {
    return this.#waiting.shift();
  }

  /** False when it waits no more. */
  remove(call: T): boolean {
    const place = this.#waiting.indexOf(call);
    if (place >= 0) this.#waiting.splice(place, 1);
    return place >= 0;
  }

  takeAll(): readonly T[] {
    return this.#waiting.splice(0);
  }
}
