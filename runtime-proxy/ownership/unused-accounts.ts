import type { Clock } from "../../lib/clock.ts";
import type { ConcurrencyLedger } from "../domain/concurrency.ts";
import type { EnvironmentPool } from "../environments/environment-pool.ts";
import type { AccountOwnership } from "./account-ownership.ts";
import type { OwnerDesk } from "./owner-desk.ts";

export interface UnusedAccountsParts {
  readonly ownership: Pick<AccountOwnership, "known" | "forget">;
  readonly ledger: Pick<ConcurrencyLedger, "has" | "forget">;
  readonly pool: Pick<EnvironmentPool, "has">;
  readonly desk: Pick<OwnerDesk, "has">;
  readonly clock: Clock;
}

/** Rates of requests are full again long before, and whoever looks at metrics has seen the last of an account. */
const lookEveryMs = 60_000;

/**
 * Forgets accounts of which nothing is left: no function, no environment's pod, no call. A cluster that makes namespaces and deletes them
 * would fill its routers with them. Looks now and then instead of being told, and an account has to be unused at two looks in a row.
 *
 * No environment that was ever given out is there any more, for a pod counts here until it is gone: so nothing of the account can run, and nothing
 * that is known of it is needed to keep its limits.
 */
export class UnusedAccounts {
  readonly #parts: UnusedAccountsParts;
  #unused: ReadonlySet<string> = new Set();
  #cancel: () => void = () => undefined;

  constructor(parts: UnusedAccountsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.schedule(lookEveryMs, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
    const { ownership, ledger } = this.#parts;
    const before = this.#unused;
    const unused = [...ownership.known()].filter((namespace) => !this.#isUsed(namespace));
    this.#unused = new Set(unused);
    for (const namespace of unused) if (before.has(namespace) && ownership.forget(namespace)) ledger.forget(namespace);
  }

  #isUsed(namespace: string): boolean {
    const { ledger, pool, desk } = this.#parts;
    return ledger.has(namespace) || pool.has(namespace) || desk.has(namespace);
  }
}
