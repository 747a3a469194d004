import { backoffMs, type BackoffPolicy } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import type { NumberClaim } from "./ledger-entry.ts";
import { Ledger } from "./ledger.ts";

export interface NumberTakerOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Asked right before a number is taken. */
  readonly mayAct: () => boolean;
  /** A number is there, or it is time to ask again: look at the object `key`. */
  readonly onChange: (key: string) => void;
  readonly onError: (error: unknown) => void;
}

export interface WantedNumber {
  readonly namespace: string;
  /** Of the ledger. */
  readonly entry: string;
  readonly floor: number;
  /** A certain number; absent: the next. */
  readonly claim?: NumberClaim | undefined;
  /** Who counts on the next: what was given to it and lost is given to it again. */
  readonly holder?: string | undefined;
  /** What the next is for, where a claim to it may come later. */
  readonly identity?: string | undefined;
  /** What it is for: another purpose gets another number. */
  readonly purpose: string;
}

/** What is known of a number that is wanted. */
export type NumberSeen =
  | { readonly type: "taking" }
  | { readonly type: "taken"; readonly number: number }
  /** The claimed number was given to another. */
  | { readonly type: "refused" }
  | { readonly type: "failed"; readonly message: string; readonly retryAfterMs: number };

interface Taking {
  readonly purpose: string;
  readonly failures: number;
  readonly seen: NumberSeen;
  /** On the monotonic clock; of failures. */
  readonly retryAtMs: number;
}

const backoff: BackoffPolicy = { initialMs: 1000, maxMs: 120_000, factor: 2, jitter: 0.2 };

/** Takes a number from the ledger for each purpose, once, and remembers it until it is used. Never makes its caller wait. */
export class NumberTaker {
  readonly #options: NumberTakerOptions;
  readonly #takingByKey = new Map<string, Taking>();
  readonly #ending = new AbortController();
  readonly #ledger: Ledger;

  constructor(options: NumberTakerOptions) {
    this.#options = options;
    this.#ledger = new Ledger(options.client, this.#ending.signal);
  }

  /** What is known by now; takes one where nothing is. */
  look(key: string, wanted: WantedNumber): NumberSeen {
    const known = this.#takingByKey.get(key);
    if (known?.purpose !== wanted.purpose) return this.#take(key, wanted, 0);
    if (known.seen.type !== "failed") return known.seen;
    const retryAfterMs = known.retryAtMs - this.#options.clock.monotonicMs();
    if (retryAfterMs <= 0) return this.#take(key, wanted, known.failures);
    return { ...known.seen, retryAfterMs };
  }

  /** The number is used, or the object gone. */
  forget(key: string): void {
    this.#takingByKey.delete(key);
  }

  stop(): void {
    this.#ending.abort(new Error("The operator is stopping"));
  }

  #take(key: string, { purpose, ...wanted }: WantedNumber, failures: number): NumberSeen {
    const { clock, draw, mayAct, onChange, onError } = this.#options;
    const taking: Taking = { purpose, failures, seen: { type: "taking" }, retryAtMs: Infinity };
    // Whoever may not act asks again when it may.
    if (!mayAct()) return taking.seen;
    this.#takingByKey.set(key, taking);
    const settle = (settled: Omit<Taking, "purpose">): void => {
      // It may be wanted for something else by now: then this number is lost.
      if (this.#takingByKey.get(key) !== taking || this.#ending.signal.aborted) return;
      this.#takingByKey.set(key, { purpose, ...settled });
      onChange(key);
    };
    void this.#ledger.take(wanted).then(
      (number) => {
        const seen: NumberSeen = number === undefined ? { type: "refused" } : { type: "taken", number };
        settle({ failures: 0, seen, retryAtMs: Infinity });
      },
      (error: unknown) => {
        if (this.#ending.signal.aborted) return;
        onError(error);
        const message = error instanceof Error ? error.message : String(error);
        const retryAfterMs = backoffMs(backoff, failures, draw());
        const retryAtMs = clock.monotonicMs() + retryAfterMs;
        settle({ failures: failures + 1, seen: { type: "failed", message, retryAfterMs }, retryAtMs });
      },
    );
    return taking.seen;
  }
}
