/** The highest of a number in the last span between two rolls and the one that runs, so that whoever looks now and then misses nothing. */
export class Peak {
  #before = 0;
  #current = 0;

  note(value: number): void {
    if (value > this.#current) this.#current = value;
  }

  get highest(): number {
    return Math.max(this.#before, this.#current);
  }

  /** A new span begins, with the number as it is now. */
  roll(value: number): void {
    this.#before = this.#current;
    this.#current = value;
  }
}
