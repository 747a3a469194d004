import { backoffMs, type BackoffPolicy } from "../../lib/backoff.ts";
import { sleep, type Clock } from "../../lib/clock.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";

export interface RequestPauseOptions {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

/** Where the API server does not say how long. */
const backoff: BackoffPolicy = { initialMs: 500, maxMs: 5000, factor: 2, jitter: 0.5 };
/** Whatever it says: an environment that does not show for 10 s is taken for one that was never asked for. */
const longestPauseMs = 7000;
const mostTries = 8;

/** Requests that the API server has no room for are made again when it says; what comes meanwhile waits as well. */
export class RequestPause {
  readonly #options: RequestPauseOptions;
  #untilMs = -Infinity;

  constructor(options: RequestPauseOptions) {
    this.#options = options;
  }

  /** Rejects as the request does; with `TooManyRequests` only after some tries. */
  async run<T>(request: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      await this.#over();
      try {
        return await request();
      } catch (error) {
        if (!isKubernetesError(error, "TooManyRequests") || attempt + 1 >= mostTries) throw error;
        const { clock, draw } = this.#options;
        const pauseMs = Math.min(longestPauseMs, error.retryAfterMs ?? backoffMs(backoff, attempt, draw()));
        this.#untilMs = Math.max(this.#untilMs, clock.monotonicMs() + pauseMs);
      }
    }
  }

  /** Those that waited together do not come back all at once. */
  async #over(): Promise<void> {
    const { clock, draw } = this.#options;
    const leftMs = this.#untilMs - clock.monotonicMs();
    if (leftMs > 0) await sleep(clock, leftMs * (1 + 0.25 * draw()));
  }
}
