import { backoffMs, type BackoffPolicy } from "../../lib/backoff.ts";
import type { Clock } from "../../lib/clock.ts";
import { DeliveryQueue, type DeliveryBudget, type Dropped } from "../domain/delivery-queue.ts";
import type { TelemetryBuffering } from "../domain/telemetry-subscription.ts";
import type { Destination } from "./delivery.ts";

export interface SubscriberOptions {
  readonly destination: Destination;
  readonly buffering: TelemetryBuffering;
  readonly budget: DeliveryBudget;
  readonly encodeDropped: (dropped: Dropped) => string | undefined;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

/** An attempt that is not answered by then has failed. Longer than what listeners take to pass a batch on. */
export const attemptLimitMs = 30_000;
/** A batch that a listener answers with an error so often is given up: it would hold up all others for ever. */
export const maxRefusals = 10;
const retry: BackoffPolicy = { initialMs: 50, maxMs: 2_000, factor: 2, jitter: 0.5 };
/** Room for a burst while a batch is under way. */
const leastHeldBytes = 2 * 1024 * 1024;

/** Brings events to one subscription: one batch at a time, in order, again until it is taken. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #queue: DeliveryQueue;
  #waitingSinceMs: number | undefined;
  #batch: readonly string[] | undefined;
  #attempt: AbortController | undefined;
  #failures = 0;
  #refusals = 0;
  #cancelWait: (() => void) | undefined;
  #isBackingOff = false;
  #isPaused = false;
  #isStopped = false;
  #cancelDeadline: () => void = () => undefined;
  #flushes: { readonly untilCount: number; readonly resolve: () => void }[] = [];

  constructor(options: SubscriberOptions) {
    this.#options = options;
    const { maxItems, maxBytes } = options.buffering;
    const heldBytes = Math.max(leastHeldBytes, 4 * maxBytes);
    this.#queue = new DeliveryQueue({ maxItems, maxBytes, heldBytes }, options.budget, options.encodeDropped);
  }

  /** `encode` is not called when there is no room. */
  addOutput(recordBytes: number, encode: () => string | undefined): void {
    this.#queue.addOutput(recordBytes, encode);
    this.#added();
  }

  addPlatform(encoded: string): void {
    this.#queue.addPlatform(encoded);
    this.#added();
  }

  /** Tells of events that were lost before they came here. */
  drop(dropped: Dropped): void {
    this.#queue.drop(dropped);
  }

  /** Settles when all that is held now was taken, at the latest after `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    const { added, done } = this.#queue.counts;
    if (added === done || this.#isStopped) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const entry = { untilCount: added, resolve: () => resolve(undefined) };
    this.#flushes.push(entry);
    const cancel = this.#options.clock.schedule(limitMs, entry.resolve);
    if (this.#isBackingOff) this.#stopWaiting();
    this.#pump();
    await promise;
    cancel();
    this.#flushes = this.#flushes.filter((other) => other !== entry);
  }

  /** The listener's processes are stopped: nothing is sent, and no attempt grows old. */
  pause(): void {
    this.#isPaused = true;
    this.#cancelDeadline();
    this.#stopWaiting();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#attempt !== undefined) this.#limitAttempt(this.#attempt);
    this.#pump();
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopWaiting();
    this.#cancelDeadline();
    this.#attempt?.abort();
    this.#options.destination.close();
    this.#queue.close();
    for (const { resolve } of this.#flushes) resolve();
  }

  #added(): void {
    if (this.#waitingSinceMs === undefined && !this.#queue.isEmpty) {
      this.#waitingSinceMs = this.#options.clock.monotonicMs();
      this.#pump();
    } else if (this.#cancelWait !== undefined && !this.#isBackingOff && this.#queue.isFull) this.#pump();
  }

  /** Sends, or waits for the moment to. */
  #pump(): void {
    if (this.#isStopped || this.#isPaused || this.#attempt !== undefined || this.#isBackingOff) return;
    this.#stopWaiting();
    if (this.#queue.isEmpty) return;
    const { clock, buffering } = this.#options;
    const ageMs = clock.monotonicMs() - (this.#waitingSinceMs ?? 0);
    const isDue = this.#batch !== undefined || this.#queue.isFull || this.#flushes.length > 0;
    if (isDue || ageMs >= buffering.timeoutMs) void this.#send();
    else this.#cancelWait = clock.schedule(buffering.timeoutMs - ageMs, () => this.#pump());
  }

  async #send(): Promise<void> {
    if (this.#batch === undefined) {
      this.#batch = this.#queue.takeBatch();
      this.#waitingSinceMs = undefined;
    }
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#limitAttempt(attempt);
    const delivery = await this.#options.destination.send(this.#batch, attempt.signal);
    this.#cancelDeadline();
    this.#attempt = undefined;
    if (this.#isStopped) return;
    if (delivery === "taken") this.#close(() => this.#queue.acknowledge());
    else if (delivery === "refused" && ++this.#refusals >= maxRefusals) this.#close(() => this.#queue.discard());
    else this.#backOff();
    this.#pump();
  }

  #limitAttempt(attempt: AbortController): void {
    this.#cancelDeadline = this.#options.clock.schedule(attemptLimitMs, () => attempt.abort());
  }

  /** The batch is done with. */
  #close(settle: () => void): void {
    settle();
    this.#batch = undefined;
    this.#failures = 0;
    this.#refusals = 0;
    if (!this.#queue.isEmpty) this.#waitingSinceMs ??= this.#options.clock.monotonicMs();
    const { done } = this.#queue.counts;
    for (const { untilCount, resolve } of this.#flushes) if (done >= untilCount) resolve();
    this.#flushes = this.#flushes.filter(({ untilCount }) => done < untilCount);
  }

  #backOff(): void {
    const { clock, draw } = this.#options;
    this.#isBackingOff = true;
    const delayMs = backoffMs(retry, this.#failures, draw());
    this.#failures += 1;
    this.#cancelWait = clock.schedule(delayMs, () => {
      this.#stopWaiting();
      this.#pump();
    });
  }

  #stopWaiting(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#isBackingOff = false;
  }
}
