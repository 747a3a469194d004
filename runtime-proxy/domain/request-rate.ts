/** A token bucket over a rate that may change: holds one second's worth, refilled all the time. */
export class RequestRate {
  #perSecond: number;
  #burst: number;
  #tokens: number;
  #atMs: number | undefined;

  /** Starts full. `burst`: most at once; one second's worth unless told. */
  constructor(perSecond: number, burst = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** As if it had been used at these moments, the oldest first. */
  static used(perSecond: number, burst: number, momentsMs: readonly number[]): RequestRate {
    const rate = new RequestRate(perSecond, burst);
    for (const atMs of momentsMs) rate.take(atMs);
    return rate;
  }

  /** A higher rate adds its difference at once, a lower one cuts what is there. */
  change(perSecond: number, burst = perSecond): void {
    if (perSecond === this.#perSecond && burst === this.#burst) return;
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, burst - this.#burst));
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** How many are allowed now; they come in fractions. */
  available(nowMs: number): number {
    if (this.#perSecond === Infinity) return Infinity;
    const earned = (Math.max(0, nowMs - (this.#atMs ?? nowMs)) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#atMs = nowMs;
    return this.#tokens;
  }

  /** Whether one more is allowed now, without taking it. */
  has(nowMs: number): boolean {
    return this.available(nowMs) >= 1;
  }

  take(nowMs: number): boolean {
    if (!this.has(nowMs)) return false;
    this.#tokens -= 1;
    return true;
  }

  /** So many are there, and taking them leaves half of what may be there at most. */
  hasPlenty(count: number, nowMs: number): boolean {
    return this.available(nowMs) - count >= this.#burst / 2;
  }

  /** Takes what `hasPlenty` says is there. */
  takeAhead(count: number): void {
    this.#tokens -= count;
  }

  /** What was taken ahead, and not needed. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + count);
  }
}
