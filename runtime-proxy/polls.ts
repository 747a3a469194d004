import type { Verdict } from "./domain/lifecycle/verdict.ts";
import type { HandedEvent, Polled, WhenGone } from "./lifecycle-port.ts";

export interface Poll {
  /** Of the runtime: empty; of an extension: its identifier. */
  readonly key: string;
  readonly whenGone: WhenGone;
  /** Whether it may wait; may hand it its event at once. */
  readonly ask: () => Verdict;
  /** Its client went away before there was an event. */
  readonly onGone: () => void;
}

/** Calls of `next` that wait, for hours if need be. */
export class Polls {
  readonly #waiting = new Map<string, Set<(event: HandedEvent) => void>>();

  async wait({ key, whenGone, ask, onGone }: Poll): Promise<Polled> {
    const { promise, resolve } = Promise.withResolvers<HandedEvent>();
    const waiting = this.#of(key);
    waiting.add(resolve);
    const verdict = ask();
    if (!verdict.ok) {
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(key);
      return verdict;
    }
    const forget = (): void => {
      if (waiting.delete(resolve)) onGone();
    };
    if (waiting.has(resolve)) whenGone(forget);
    return { ok: true, event: await promise };
  }

  /** To all that wait under this key. */
  hand(key: string, event: HandedEvent): void {
    const waiting = this.#of(key);
    for (const resolve of waiting) resolve(event);
    waiting.clear();
  }

  /** Whoever waited is not there any more. */
  clear(): void {
    this.#waiting.clear();
  }

  #of(key: string): Set<(event: HandedEvent) => void> {
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    return waiting;
  }
}
