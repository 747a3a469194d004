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

type Hand = (event: HandedEvent) => void;

/** Calls of `next` that wait, for hours if need be. */
export class Polls {
  /** Lists are replaced, and stay when they are empty: calls come and go, and a Map that is deleted from leaves its old tables behind. */
  readonly #waiting = new Map<string, readonly Hand[]>();

  async wait({ key, whenGone, ask, onGone }: Poll): Promise<Polled> {
    const { promise, resolve } = Promise.withResolvers<HandedEvent>();
    this.#waiting.set(key, [...this.#of(key), resolve]);
    const verdict = ask();
    if (!verdict.ok) {
      this.#remove(key, resolve);
      if (this.#of(key).length === 0) this.#waiting.delete(key);
      return verdict;
    }
    const forget = (): void => {
      if (this.#remove(key, resolve)) onGone();
    };
    if (this.#of(key).includes(resolve)) whenGone(forget);
    return { ok: true, event: await promise };
  }

  /** To all that wait under this key. */
  hand(key: string, event: HandedEvent): void {
    const waiting = this.#of(key);
    this.#waiting.set(key, none);
    for (const resolve of waiting) resolve(event);
  }

  /** Whoever waited is not there any more. */
  clear(): void {
    this.#waiting.clear();
  }

  #of(key: string): readonly Hand[] {
    return this.#waiting.get(key) ?? none;
  }

  /** False when it waits no more. */
  #remove(key: string, resolve: Hand): boolean {
    const waiting = this.#of(key);
    if (!waiting.includes(resolve)) return false;
    this.#waiting.set(
      key,
      waiting.filter((other) => other !== resolve),
    );
    return true;
  }
}

const none: readonly Hand[] = [];
