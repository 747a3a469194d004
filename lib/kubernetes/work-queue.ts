import { type BackoffPolicy, backoffMs } from "../backoff.ts";
import type { Clock } from "../clock.ts";
import { TokenBucket } from "./token-bucket.ts";

/** What becomes of a key after a visit: forgotten, visited again after a time, or again after its back-off. */
export type Visit =
  | { readonly next: "none" }
  | { readonly next: "again"; readonly afterMs: number }
  /** At least `minDelayMs`, if the server asked for it. */
  | { readonly next: "retry"; readonly minDelayMs?: number | undefined };

export interface WorkQueueOptions {
  /** Visits one key; throwing means retry. */
  readonly work: (key: string) => Promise<Visit>;
  readonly clock: Clock;
  /** Visits at the same moment, never two of one key. Default 4. */
  readonly workers?: number;
  /** Per key, by its failures in a row. */
  readonly backoff?: BackoffPolicy;
  /** Retries of all keys together: so many a second, after a burst of ten times as many. Default 10. */
  readonly retriesPerSecond?: number;
  readonly onError?: (key: string, error: unknown) => void;
  readonly draw?: () => number;
}

/** From 50 ms to 5 min. */
export const defaultRetryBackoff: BackoffPolicy = { initialMs: 50, maxMs: 300_000, factor: 2, jitter: 0.3 };

/**
 * Keys that want a visit, each once however often it was added. A key added while it is visited is visited again after.
 * Nothing is lost by this, since a visit looks at the present state and not at what woke it.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #visited = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { readonly atMs: number; readonly cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #idle = new Set<() => void>();
  #isRunning = false;
  readonly #retryRate: TokenBucket;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    const { retriesPerSecond: perSecond = 10, clock } = options;
    this.#retryRate = new TokenBucket({ burst: perSecond * 10, perSecond, nowMs: clock.monotonicMs() });
  }

  start(): void {
    this.#isRunning = true;
    this.#fill();
  }

  /** Begins no more visits, drops all keys, and resolves when the visits under way have ended. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    for (const { cancel } of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#waiting.clear();
    this.#again.clear();
    this.#failures.clear();
    await this.#whenIdle();
  }

  /** Wants a visit as soon as a worker is free; earlier wishes for later are fulfilled by it. */
  add(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    if (this.#visited.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#fill();
  }

  /** Wants a visit in `delayMs`, or sooner if one is wanted sooner already. */
  addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const atMs = this.#options.clock.monotonicMs() + delayMs;
    const planned = this.#timers.get(key);
    if (planned !== undefined && planned.atMs <= atMs) return;
    planned?.cancel();
    this.#timers.set(key, { atMs, cancel: this.#options.clock.schedule(delayMs, () => this.add(key)) });
  }

  /** Keys that wait for a worker. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** Keys that are visited now. */
  get active(): number {
    return this.#visited.size;
  }

  /** Failures in a row of a key. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  #fill(): void {
    const { workers = 4 } = this.#options;
    while (this.#isRunning && this.#visited.size < workers) {
      const [key] = this.#waiting;
      if (key === undefined) return;
      this.#waiting.delete(key);
      this.#visited.add(key);
      void this.#visit(key);
    }
  }

  async #visit(key: string): Promise<void> {
    let visit: Visit = { next: "retry" };
    try {
      visit = await this.#options.work(key);
    } catch (error) {
      this.#options.onError?.(key, error);
    }
    this.#visited.delete(key);
    if (this.#isRunning) this.#settle(key, visit);
    if (this.#visited.size === 0) for (const resolve of this.#idle) resolve();
    this.#fill();
  }

  #settle(key: string, visit: Visit): void {
    if (this.#again.delete(key)) this.#waiting.add(key);
    switch (visit.next) {
      case "none":
        this.#failures.delete(key);
        return;
      case "again":
        this.#failures.delete(key);
        if (!this.#waiting.has(key)) this.addAfter(key, visit.afterMs);
        return;
      case "retry":
        this.#retry(key, visit.minDelayMs ?? 0);
    }
  }

  #retry(key: string, minDelayMs: number): void {
    const { backoff = defaultRetryBackoff, draw = Math.random, clock } = this.#options;
    const failures = this.failuresOf(key);
    this.#failures.set(key, failures + 1);
    if (this.#waiting.has(key)) return;
    const ownDelayMs = Math.max(backoffMs(backoff, failures, draw()), minDelayMs);
    this.addAfter(key, Math.max(ownDelayMs, this.#retryRate.reserveMs(clock.monotonicMs())));
  }

  #whenIdle(): Promise<void> {
    if (this.#visited.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#idle.delete(done);
        resolve();
      };
      this.#idle.add(done);
    });
  }
}
