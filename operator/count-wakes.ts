import type { Clock } from "../lib/clock.ts";
import { TokenBucket } from "../lib/kubernetes/token-bucket.ts";

export interface CountWakesOptions {
  readonly clock: Clock;
  readonly wake: (key: string) => void;
  /** Environments wait for the API server. */
  readonly isBusy: () => boolean;
}

/** Changes of counts are shown a moment later and together: a burst is one status write for each function. */
const delayMs = 1000;
/** Of many functions at once some are shown later: so many writes a second after a burst of as many. */
const rate = { perSecond: 25, burst: 100 };
/** So many a second while environments are to be made: a write takes as much of an API server as a third of an environment. */
const busyRate = { perSecond: 5, burst: 5 };

/** When a function's counts are written to its status: soon, but after whatever a call waits for. */
export class CountWakes {
  readonly #options: CountWakesOptions;
  readonly #rate: TokenBucket;
  readonly #busyRate: TokenBucket;
  readonly #cancelByKey = new Map<string, () => void>();

  constructor(options: CountWakesOptions) {
    this.#options = options;
    const nowMs = options.clock.monotonicMs();
    this.#rate = new TokenBucket({ ...rate, nowMs });
    this.#busyRate = new TokenBucket({ ...busyRate, nowMs });
  }

  soon(key: string): void {
    if (this.#cancelByKey.has(key)) return;
    this.#schedule(key, Math.max(delayMs, this.#rate.reserveMs(this.#options.clock.monotonicMs())));
  }

  stop(): void {
    for (const cancel of this.#cancelByKey.values()) cancel();
    this.#cancelByKey.clear();
  }

  #schedule(key: string, afterMs: number): void {
    const { clock, wake, isBusy } = this.#options;
    const cancel = clock.schedule(afterMs, () => {
      if (isBusy() && !this.#busyRate.take(clock.monotonicMs())) {
        this.#schedule(key, delayMs);
        return;
      }
      this.#cancelByKey.delete(key);
      wake(key);
    });
    this.#cancelByKey.set(key, cancel);
  }
}
