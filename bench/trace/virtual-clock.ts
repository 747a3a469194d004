import type { Clock } from "../../lib/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  call: (() => void) | undefined;
}

/** A clock that jumps from one thing that is due to the next: a day passes in seconds. A binary heap by time, then by order. */
export class VirtualClock implements Clock {
  readonly #heap: Timer[] = [];
  #nowMs = 0;
  #order = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, call: () => void): () => void {
    this.#order += 1;
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, call };
    this.#push(timer);
    return () => (timer.call = undefined);
  }

  /** Until nothing is due before that moment; promises that something has settled are followed before time goes on. */
  async runUntil(untilMs: number): Promise<void> {
    for (let timer = this.#heap[0]; timer !== undefined && timer.atMs <= untilMs; timer = this.#heap[0]) {
      this.#pop();
      if (timer.call === undefined) continue;
      this.#nowMs = timer.atMs;
      timer.call();
      await Promise.resolve();
      await Promise.resolve();
    }
    this.#nowMs = untilMs;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isEarlier(timer, heap[parent])) break;
      heap[at] = heap[parent] as Timer;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (isEarlier(heap[child + 1], heap[child])) child += 1;
      const smaller = heap[child] as Timer;
      if (!isEarlier(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}

function isEarlier(a: Timer | undefined, b: Timer | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
