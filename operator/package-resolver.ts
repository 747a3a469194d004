import { backoffMs, type BackoffPolicy } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import type { PackageStoreClient } from "./package-store.ts";
import { packageErrors, type PackageSeen } from "./package-source.ts";

export interface PackageResolverOptions {
  readonly store: PackageStoreClient;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Which limits hold for what is resolved. */
  readonly use: ResolveRequest["use"];
  /** An answer is there, or it is time to ask again: look at the object `key`. */
  readonly onChange: (key: string) => void;
  readonly onError: (error: unknown) => void;
}

export interface Wanted {
  readonly namespace: string;
  readonly source: ResolveRequest["source"];
  /** Of the source's content: another hash is another question. */
  readonly sourceHash: string;
}

interface Resolution {
  readonly sourceHash: string;
  readonly failures: number;
  /** Absent: asked, and not answered yet. */
  readonly answer?: ResolveAnswer;
  /** On the monotonic clock; of retried failures. */
  readonly retryAtMs: number;
}

/** Each may carry a zip of some MB. */
const requestsAtOnce = 8;
const backoff: BackoffPolicy = { initialMs: 2000, maxMs: 120_000, factor: 2, jitter: 0.2 };

/** Asks the package store once for every source of every object, and again only for what may mend itself. Never makes its caller wait. */
export class PackageResolver {
  readonly #options: PackageResolverOptions;
  readonly #resolutionByKey = new Map<string, Resolution>();
  readonly #renewed = new Set<string>();
  readonly #requests = new ConcurrencyLimit(requestsAtOnce);
  readonly #ending = new AbortController();

  constructor(options: PackageResolverOptions) {
    this.#options = options;
  }

  /** What is known by now; asks where nothing is. */
  look(key: string, wanted: Wanted): PackageSeen {
    const known = this.#resolutionByKey.get(key);
    if (known?.sourceHash !== wanted.sourceHash) {
      this.#ask(key, wanted, 0);
      return { type: "resolving" };
    }
    const { answer, failures, retryAtMs } = known;
    if (answer === undefined) return { type: "resolving" };
    if (answer.ok) return { type: "resolved", sourceHash: wanted.sourceHash, package: answer.package };
    const { reason, isRetried } = packageErrors[answer.error.code];
    const { message } = answer.error;
    if (!isRetried) return { type: "refused", reason, message };
    const retryAfterMs = retryAtMs - this.#options.clock.monotonicMs();
    if (retryAfterMs <= 0) this.#ask(key, wanted, failures, answer);
    return { type: "retrying", reason, message, retryAfterMs: Math.max(1000, retryAfterMs) };
  }

  /** The object is gone. */
  forget(key: string): void {
    this.#resolutionByKey.delete(key);
    this.#renewed.delete(key);
  }

  /** The store may have lost the package: it is asked again, whatever is known. */
  renew(key: string): void {
    this.#resolutionByKey.delete(key);
    this.#renewed.add(key);
    this.#options.onChange(key);
  }

  /** True until the store has answered after `renew`. */
  isRenewing(key: string): boolean {
    return this.#renewed.has(key);
  }

  stop(): void {
    this.#ending.abort(new Error("The operator is stopping"));
  }

  /** While it asks again, the last answer stands. */
  #ask(key: string, wanted: Wanted, failures: number, last?: ResolveAnswer): void {
    const { sourceHash, namespace, source } = wanted;
    const asked: Resolution = {
      sourceHash,
      failures,
      retryAtMs: Infinity,
      ...(last !== undefined && { answer: last }),
    };
    this.#resolutionByKey.set(key, asked);
    void this.#request({ namespace, use: this.#options.use, source }).then((answer) => {
      // The spec may have changed, or the object gone, while the store worked.
      if (this.#resolutionByKey.get(key) !== asked || this.#ending.signal.aborted) return;
      const delayMs = backoffMs(backoff, failures, this.#options.draw());
      const retryAtMs = this.#options.clock.monotonicMs() + delayMs;
      this.#resolutionByKey.set(key, { sourceHash, failures: answer.ok ? 0 : failures + 1, answer, retryAtMs });
      if (answer.ok) this.#renewed.delete(key);
      this.#options.onChange(key);
    });
  }

  async #request(request: ResolveRequest): Promise<ResolveAnswer> {
    try {
      return await this.#requests.run(() => this.#options.store.resolve(request, this.#ending.signal));
    } catch (error) {
      this.#options.onError(error);
      const message = `Cannot resolve the ${this.#options.use}: the package store does not answer; trying again`;
      return { ok: false, error: { code: "StoreUnavailable", message } };
    }
  }
}
