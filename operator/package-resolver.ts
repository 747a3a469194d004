import { backoffMs, type BackoffPolicy } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import { ConcurrencyLimit } from "../lib/concurrency-limit.ts";
import type { SecretFetch } from "./secret-fetch.ts";
import type { PackageStoreClient } from "./package-store.ts";
import {
  contentErrors,
  packageErrors,
  type PackageFacts,
  type PackageSeen,
  type SourceSecret,
} from "./package-source.ts";

export interface PackageResolverOptions {
  readonly store: PackageStoreClient;
  /** Reads what takes a Secret; absent: nobody can. */
  readonly secretFetch?: SecretFetch | undefined;
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
  /** Of the source and the Secret: another hash is another question. */
  readonly sourceHash: string;
  readonly secret?: { readonly reference: SourceSecret; readonly owner: Stored } | undefined;
  /** Other bytes are looked for after so long; absent: never. */
  readonly recheckMs?: number | undefined;
}

interface Resolution {
  readonly sourceHash: string;
  readonly failures: number;
  /** What the source was read as last. */
  readonly standing?: ResolvedFacts | undefined;
  /** Why the last question was in vain. */
  readonly error?: ResolveError | undefined;
  readonly isAsked: boolean;
  /** On the monotonic clock: the last answer, and how long to wait after a failure. */
  readonly answeredAtMs: number;
  readonly delayMs: number;
}

type ResolvedFacts = PackageFacts & { readonly revision?: string | undefined };
type ResolveError = (ResolveAnswer & { readonly ok: false })["error"];

/** Each may carry a zip of some MB. */
const requestsAtOnce = 8;
const backoff: BackoffPolicy = { initialMs: 2000, maxMs: 120_000, factor: 2, jitter: 0.2 };

/** Asks the package store once for every source of every object, and again only for what may mend itself or change. Never makes its caller wait. */
export class PackageResolver {
  readonly #options: PackageResolverOptions;
  readonly #resolutionByKey = new Map<string, Resolution>();
  readonly #renewed = new Set<string>();
  readonly #requests = new ConcurrencyLimit(requestsAtOnce);
  readonly #ending = new AbortController();

  constructor(options: PackageResolverOptions) {
    this.#options = options;
  }

  /** What is known by now; asks where nothing is. `kept` is what the source was resolved to before this process began. */
  look(key: string, wanted: Wanted, kept?: PackageFacts): PackageSeen {
    const { sourceHash } = wanted;
    // There never will be any: only another spec helps.
    if (wanted.secret !== undefined && this.#options.secretFetch === undefined)
      return { type: "refused", reason: "SourceNotServed", message: noPods };
    if (this.#resolutionByKey.get(key)?.sourceHash !== sourceHash) {
      if (kept === undefined || this.#renewed.has(key)) this.#ask(key, wanted);
      else this.#resolutionByKey.set(key, this.#keep(wanted, kept));
    }
    const known = this.#resolutionByKey.get(key);
    if (known?.standing !== undefined) return this.#stand(key, wanted, known, known.standing);
    if (known?.error === undefined) return { type: "resolving" };
    const { reason, isRetried } = packageErrors[known.error.code];
    const { message } = known.error;
    // What changes under its name may be put right there, without another spec.
    const isLookedAtAgain = wanted.recheckMs !== undefined && contentErrors.has(known.error.code);
    if (!isRetried && !isLookedAtAgain) return { type: "refused", reason, message };
    const waitMs = isRetried ? known.delayMs : Math.max(known.delayMs, wanted.recheckMs ?? 0);
    const retryAfterMs = this.#leftMs(known, waitMs);
    if (retryAfterMs <= 0 && !known.isAsked) this.#ask(key, wanted, known);
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

  stop(): void {
    this.#ending.abort(new Error("The operator is stopping"));
  }

  /** What was read goes on, whatever becomes of another look at a source that may change. */
  #stand(key: string, wanted: Wanted, known: Resolution, standing: ResolvedFacts): PackageSeen {
    const { sourceHash, recheckMs } = wanted;
    if (recheckMs === undefined) return { type: "resolved", sourceHash, package: standing };
    const { error } = known;
    const leftMs = this.#leftMs(known, Math.max(known.delayMs, recheckMs));
    if (leftMs <= 0 && !known.isAsked) this.#ask(key, wanted, known);
    const problem =
      error === undefined ? {} : { problem: { reason: packageErrors[error.code].reason, message: error.message } };
    const recheck = { afterMs: Math.min(leftMs > 0 ? leftMs : recheckMs, longestWaitMs), ...problem };
    return { type: "resolved", sourceHash, package: standing, recheck };
  }

  #leftMs({ answeredAtMs }: Resolution, waitMs: number): number {
    return answeredAtMs + waitMs - this.#options.clock.monotonicMs();
  }

  /** As if read some time ago: those which a restart brings together part again. */
  #keep({ sourceHash, recheckMs = 0 }: Wanted, standing: PackageFacts): Resolution {
    const answeredAtMs = this.#options.clock.monotonicMs() - (recheckMs * this.#options.draw()) / 2;
    return { sourceHash, failures: 0, standing, isAsked: false, answeredAtMs, delayMs: 0 };
  }

  /** While it asks again, the last answer stands. */
  #ask(key: string, wanted: Wanted, last?: Resolution): void {
    const { sourceHash } = wanted;
    const { clock, draw, onChange } = this.#options;
    const failures = last?.failures ?? 0;
    const asked: Resolution = { answeredAtMs: 0, delayMs: 0, ...last, sourceHash, failures, isAsked: true };
    this.#resolutionByKey.set(key, asked);
    void this.#request(wanted, last?.standing).then((answer) => {
      // The spec may have changed, or the object gone, while the store worked.
      if (this.#resolutionByKey.get(key) !== asked || this.#ending.signal.aborted) return;
      const base = { sourceHash, isAsked: false, answeredAtMs: clock.monotonicMs() };
      const wishMs = answer.ok ? 0 : (answer.error.retryAfterMs ?? 0);
      const delayMs = Math.max(wishMs, backoffMs(backoff, failures, draw()));
      const now: Resolution = answer.ok
        ? { ...base, failures: 0, standing: answer.package, delayMs: 0 }
        : { ...base, failures: failures + 1, standing: asked.standing, error: answer.error, delayMs };
      this.#resolutionByKey.set(key, now);
      if (answer.ok) this.#renewed.delete(key);
      onChange(key);
    });
  }

  async #request(wanted: Wanted, standing: ResolvedFacts | undefined): Promise<ResolveAnswer> {
    const { namespace, source, secret } = wanted;
    const { store, secretFetch, use, onError } = this.#options;
    const known =
      standing?.revision === undefined ? {} : { known: { digest: standing.digest, revision: standing.revision } };
    const request: ResolveRequest = { namespace, use, source, ...known };
    const { signal } = this.#ending;
    try {
      if (secret === undefined || secretFetch === undefined)
        return await this.#requests.run(() => store.resolve(request, signal));
      return await secretFetch.resolve(request, secret, signal);
    } catch (error) {
      if (!signal.aborted) onError(error);
      const message = `Cannot resolve the ${use}: the package store does not answer; trying again`;
      return { ok: false, error: { code: "StoreUnavailable", message } };
    }
  }
}

/** Timers of a controller are cut at about 24 days. */
const longestWaitMs = 86_400_000;
const noPods =
  "Cannot read what takes a Secret: there are no Secrets where this runs (local mode); use a public source";
