/** Which calls may run: reserved concurrency and what an account has left, exact within one router. */

/** Source: Lambda API model, ThrottleReason. */
export type ThrottleReason = "ReservedFunctionConcurrentInvocationLimitExceeded" | "ConcurrentInvocationLimitExceeded";

export type Admission = { readonly ok: true } | { readonly ok: false; readonly reason: ThrottleReason };

interface FunctionCount {
  readonly namespace: string;
  reserved: number | undefined;
  running: number;
  isGone: boolean;
}

interface AccountCount {
  /** Sum of all reservations. */
  reserved: number;
  /** Calls of functions without a reservation. */
  unreservedRunning: number;
}

/**
 * Counts the calls that hold a slot, from admission to their end, also while they wait for an environment.
 * A lower limit stops no call that runs. Source: Lambda developer guide, configuration-concurrency.
 */
export class ConcurrencyLedger {
  readonly #accountLimit: number;
  readonly #functionByUid = new Map<string, FunctionCount>();
  readonly #accountByNamespace = new Map<string, AccountCount>();
  #total = 0;

  constructor(accountLimit: number) {
    this.#accountLimit = accountLimit;
  }

  /** Calls of all functions that hold a slot. */
  get total(): number {
    return this.#total;
  }

  /** Takes over a function's reservation; `undefined` means that it has none. */
  setFunction(uid: string, namespace: string, reserved: number | undefined): void {
    const count = this.#functionByUid.get(uid) ?? this.#addFunction(uid, namespace);
    const account = this.#account(namespace);
    account.reserved += (reserved ?? 0) - (count.reserved ?? 0);
    if (count.reserved === undefined) account.unreservedRunning -= count.running;
    if (reserved === undefined) account.unreservedRunning += count.running;
    count.reserved = reserved;
    count.isGone = false;
  }

  /** Forgets a function; its running calls keep their slots until they end. */
  removeFunction(uid: string): void {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return;
    this.setFunction(uid, count.namespace, undefined);
    count.isGone = true;
    this.#forgetIfUnused(uid, count);
  }

  /** Takes a slot or says which limit is reached. */
  admit(uid: string): Admission {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return { ok: false, reason: "ConcurrentInvocationLimitExceeded" };
    const account = this.#account(count.namespace);
    if (count.reserved !== undefined) {
      if (count.running >= count.reserved) {
        return { ok: false, reason: "ReservedFunctionConcurrentInvocationLimitExceeded" };
      }
    } else {
      if (account.unreservedRunning >= this.#accountLimit - account.reserved) {
        return { ok: false, reason: "ConcurrentInvocationLimitExceeded" };
      }
      account.unreservedRunning += 1;
    }
    count.running += 1;
    this.#total += 1;
    return { ok: true };
  }

  /** Gives back the slot of one admitted call. */
  leave(uid: string): void {
    const count = this.#functionByUid.get(uid);
    if (count === undefined || count.running === 0)
      throw new Error(`Cannot give back a slot of "${uid}": none is taken`);
    count.running -= 1;
    this.#total -= 1;
    if (count.reserved === undefined) this.#account(count.namespace).unreservedRunning -= 1;
    this.#forgetIfUnused(uid, count);
  }

  /** Calls of the function that hold a slot. */
  running(uid: string): number {
    return this.#functionByUid.get(uid)?.running ?? 0;
  }

  /** Most calls that the function can have at once as things stand. */
  ceiling(uid: string): number {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return 0;
    return count.reserved ?? Math.max(0, this.#accountLimit - this.#account(count.namespace).reserved);
  }

  #addFunction(uid: string, namespace: string): FunctionCount {
    const count: FunctionCount = { namespace, reserved: undefined, running: 0, isGone: false };
    this.#functionByUid.set(uid, count);
    return count;
  }

  #account(namespace: string): AccountCount {
    const known = this.#accountByNamespace.get(namespace);
    if (known !== undefined) return known;
    const account: AccountCount = { reserved: 0, unreservedRunning: 0 };
    this.#accountByNamespace.set(namespace, account);
    return account;
  }

  #forgetIfUnused(uid: string, count: FunctionCount): void {
    if (count.isGone && count.running === 0) this.#functionByUid.delete(uid);
  }
}
