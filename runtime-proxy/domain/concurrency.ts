/** Which calls may run: reserved and provisioned concurrency, what an account has left, and how many a second. */
import type { ProvisionedSize } from "../../crds/granted-concurrency.ts";
import { claimOf, decidePool, type ConcurrencyPool, type ThrottleReason } from "./admission.ts";
import { Peak } from "./peak.ts";
import { RequestRate } from "./request-rate.ts";

export type { ThrottleReason } from "./admission.ts";

export type Admission =
  { readonly ok: true; readonly pool: ConcurrencyPool } | { readonly ok: false; readonly reason: ThrottleReason };

/** What the function's configuration says. */
export interface FunctionLimits {
  readonly reserved: number | undefined;
  /** By version. */
  readonly provisioned?: Readonly<Record<string, ProvisionedSize>>;
}

export interface AskedFor {
  /** `$LATEST` or a number. Default `$LATEST`. */
  readonly version?: string;
  /** On the monotonic clock; only rates need it. */
  readonly nowMs?: number;
  /** A provisioned environment of the version is there at once. Default true. */
  readonly isProvisionedFree?: boolean;
}

/** Which rates a call counts in. */
interface AheadOf {
  readonly pool: ConcurrencyPool;
  readonly version: string;
}

interface FunctionCount {
  readonly namespace: string;
  reserved: number | undefined;
  provisionedSum: number;
  provisionedByVersion: ReadonlyMap<string, ProvisionedCount>;
  /** On demand. */
  running: number;
  rate: RequestRate | undefined;
  isGone: boolean;
  /** Of all its running calls. */
  readonly peak: Peak;
}

interface ProvisionedCount {
  usable: number;
  running: number;
  readonly rate: RequestRate;
  readonly peak: Peak;
}

export interface ProvisionedReading {
  readonly running: number;
  readonly usable: number;
  /** Of `running`. */
  readonly peak: Pick<Peak, "highest">;
}

interface AccountCount {
  /** Those that are there, and those that are gone of which calls run. */
  functions: number;
  /** All calls, in whatever they run. */
  running: number;
  /** What functions have claimed of its limit. */
  claimed: number;
  /** On-demand calls of functions without a reservation. */
  unreservedRunning: number;
  readonly rate: RequestRate | undefined;
  readonly peak: Peak;
}

/** For metrics; `highest`: at once, within the last span of looks (Peak). */
export interface AccountReading {
  readonly namespace: string;
  readonly limit: number;
  /** What functions have claimed of it: their reservations, and the provisioned sum of those that have none. */
  readonly claimed: number;
  /** On-demand calls of functions without a reservation. */
  readonly unreserved: number;
  readonly highestUnreserved: number;
}

export interface FunctionReading {
  readonly uid: string;
  readonly running: number;
  readonly highest: number;
}

const inPool = {
  provisioned: { ok: true, pool: "provisioned" },
  onDemand: { ok: true, pool: "onDemand" },
} as const satisfies Record<ConcurrencyPool, Admission>;
const noProvisioned: ReadonlyMap<string, ProvisionedCount> = new Map();

/**
 * Counts what holds a slot: calls from admission to their end, also while they wait for an environment, and environments
 * in which something may run that no call here stands for. A lower limit stops no call that runs.
 * Source: Lambda developer guide, configuration-concurrency.
 */
export class ConcurrencyLedger {
  readonly #accountLimit: number;
  readonly #ratePerConcurrency: number;
  readonly #functionByUid = new Map<string, FunctionCount>();
  readonly #accountByNamespace = new Map<string, AccountCount>();
  #total = 0;

  /** `ratePerConcurrency`: calls a second for each one that may run; Infinity: no limit. Source: Lambda quotas, 10. */
  constructor(accountLimit: number, ratePerConcurrency = Infinity) {
    this.#accountLimit = accountLimit;
    this.#ratePerConcurrency = ratePerConcurrency;
  }

  /** Slots that are held, over all functions. */
  get total(): number {
    return this.#total;
  }

  /** Takes over a function's limits. */
  setFunction(uid: string, namespace: string, limits: number | undefined | FunctionLimits): void {
    const { reserved, provisioned = {} } =
      typeof limits === "object" ? limits : { reserved: limits, provisioned: undefined };
    const count = this.#functionByUid.get(uid) ?? this.#addFunction(uid, namespace);
    const account = this.#account(namespace);
    const claimedBefore = claimOf(count);
    if (count.reserved === undefined) account.unreservedRunning -= count.running;
    if (reserved === undefined) account.unreservedRunning += count.running;
    count.rate = this.#changeRate(count, reserved);
    count.reserved = reserved;
    count.provisionedSum = Object.values(provisioned).reduce((sum, { claimed }) => sum + claimed, 0);
    count.provisionedByVersion = this.#changeProvisioned(count.provisionedByVersion, provisioned);
    count.isGone = false;
    account.claimed += claimOf(count) - claimedBefore;
  }

  /** Forgets a function; its running calls keep their slots until they end. */
  removeFunction(uid: string): void {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return;
    this.setFunction(uid, count.namespace, undefined);
    count.isGone = true;
    this.#forgetIfUnused(uid, count);
  }

  /** Whether the function's limits are known: it is there. */
  knows(uid: string): boolean {
    return this.#functionByUid.get(uid)?.isGone === false;
  }

  /** Takes a slot or says which limit is reached. */
  admit(uid: string, { version = "$LATEST", nowMs = 0, isProvisionedFree = true }: AskedFor = {}): Admission {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return { ok: false, reason: "ConcurrentInvocationLimitExceeded" };
    const account = this.#account(count.namespace);
    const provisioned = count.provisionedByVersion.get(version);
    const pool = decidePool({
      accountLimit: this.#accountLimit,
      claimed: account.claimed,
      unreservedRunning: account.unreservedRunning,
      accountRunning: account.running,
      reserved: count.reserved,
      running: count.running + provisionedRunning(count),
      provisionedSum: count.provisionedSum,
      onDemandRunning: count.running,
      provisioned: provisioned?.usable ?? 0,
      provisionedRunning: provisioned?.running ?? 0,
      isProvisionedRateUsedUp: provisioned?.rate.has(nowMs) === false,
      isProvisionedFree,
    });
    if (pool !== "provisioned" && pool !== "onDemand") return { ok: false, reason: pool };
    const reason = this.#takeRate(count, account, nowMs);
    if (reason !== undefined) return { ok: false, reason };
    if (pool === "provisioned") provisioned?.rate.take(nowMs);
    this.#count(count, { pool, version, by: 1 });
    return inPool[pool];
  }

  /** Takes a slot for what runs, whatever the limits say; `version`: of a provisioned environment. */
  occupy(uid: string, namespace: string, version?: string): void {
    const count = this.#functionByUid.get(uid) ?? this.#addFunction(uid, namespace);
    if (version === undefined) {
      this.#count(count, { pool: "onDemand", version: "", by: 1 });
      return;
    }
    if (!count.provisionedByVersion.has(version))
      count.provisionedByVersion = new Map([
        ...count.provisionedByVersion,
        [version, { usable: 0, running: 0, rate: new RequestRate(0), peak: new Peak() }],
      ]);
    this.#count(count, { pool: "provisioned", version, by: 1 });
  }

  /** Calls in provisioned environments of a version, and how many there may be; undefined: none are provisioned. */
  provisioned(uid: string, version: string): ProvisionedReading | undefined {
    return this.#functionByUid.get(uid)?.provisionedByVersion.get(version);
  }

  /** Gives back one slot. */
  leave(uid: string, pool: ConcurrencyPool = "onDemand", version = "$LATEST"): void {
    const count = this.#functionByUid.get(uid);
    const running = pool === "onDemand" ? count?.running : count?.provisionedByVersion.get(version)?.running;
    if (count === undefined || running === undefined || running === 0)
      throw new Error(`Cannot give back a slot of "${uid}": none is taken`);
    this.#count(count, { pool, version, by: -1 });
    this.#forgetIfUnused(uid, count);
  }

  /** Slots of the function that are held. */
  running(uid: string): number {
    const count = this.#functionByUid.get(uid);
    return count === undefined ? 0 : count.running + provisionedRunning(count);
  }

  /** The account has a function, or something runs in it. */
  has(namespace: string): boolean {
    return (this.#accountByNamespace.get(namespace)?.functions ?? 0) > 0;
  }

  /** Forgets an account of which nothing is left; used again, it begins with a full rate of requests. */
  forget(namespace: string): void {
    if (!this.has(namespace)) this.#accountByNamespace.delete(namespace);
  }

  *accounts(): Iterable<AccountReading> {
    for (const [namespace, { claimed, unreservedRunning: unreserved, peak }] of this.#accountByNamespace)
      yield { namespace, limit: this.#accountLimit, claimed, unreserved, highestUnreserved: peak.highest };
  }

  /** Functions of which calls run, or ran within the last span of looks. */
  *functions(): Iterable<FunctionReading> {
    for (const [uid, count] of this.#functionByUid) {
      const { highest } = count.peak;
      if (highest > 0) yield { uid, running: count.running + provisionedRunning(count), highest };
    }
  }

  /** The next span of looks begins. */
  rollPeaks(): void {
    for (const count of this.#functionByUid.values()) {
      count.peak.roll(count.running + provisionedRunning(count));
      for (const { peak, running } of count.provisionedByVersion.values()) peak.roll(running);
    }
    for (const { peak, unreservedRunning } of this.#accountByNamespace.values()) peak.roll(unreservedRunning);
  }

  /** Most calls that the function can have on demand at once as things stand. */
  ceiling(uid: string): number {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return 0;
    const { reserved, provisionedSum, namespace } = count;
    const unreserved = this.#accountLimit - this.#account(namespace).claimed;
    return Math.max(0, reserved === undefined ? unreserved : reserved - provisionedSum);
  }

  /** Counts so many further calls in the rates of one that was let in, where there is plenty: false where there is not. */
  takeAhead(
    uid: string,
    { count, nowMs, ...of }: AheadOf & { readonly count: number; readonly nowMs: number },
  ): boolean {
    const rates = this.#ratesOf(uid, of);
    if (!rates.every((rate) => rate.hasPlenty(count, nowMs))) return false;
    for (const rate of rates) rate.takeAhead(count);
    return true;
  }

  /** Calls that were counted ahead and did not come. */
  giveBackAhead(uid: string, { count, ...of }: AheadOf & { readonly count: number }): void {
    for (const rate of this.#ratesOf(uid, of)) rate.giveBack(count);
  }

  #ratesOf(uid: string, { pool, version }: AheadOf): readonly RequestRate[] {
    const count = this.#functionByUid.get(uid);
    if (count === undefined) return [];
    const own = count.reserved === undefined ? this.#account(count.namespace).rate : count.rate;
    const provisioned = pool === "provisioned" ? count.provisionedByVersion.get(version)?.rate : undefined;
    return [own, provisioned].filter((rate) => rate !== undefined);
  }

  #takeRate({ reserved, rate }: FunctionCount, account: AccountCount, nowMs: number): ThrottleReason | undefined {
    if (reserved !== undefined)
      return rate?.take(nowMs) === false ? "ReservedFunctionInvocationRateLimitExceeded" : undefined;
    return account.rate?.take(nowMs) === false ? "FunctionInvocationRateLimitExceeded" : undefined;
  }

  #count(count: FunctionCount, { pool, version, by }: { pool: ConcurrencyPool; version: string; by: number }): void {
    this.#total += by;
    this.#account(count.namespace).running += by;
    this.#move(count, { pool, version, by });
    if (by > 0) count.peak.note(count.running + provisionedRunning(count));
  }

  #move(count: FunctionCount, { pool, version, by }: { pool: ConcurrencyPool; version: string; by: number }): void {
    if (pool === "provisioned") {
      const provisioned = count.provisionedByVersion.get(version);
      if (provisioned === undefined) return;
      provisioned.running += by;
      if (by > 0) provisioned.peak.note(provisioned.running);
      return;
    }
    count.running += by;
    if (count.reserved !== undefined) return;
    const account = this.#account(count.namespace);
    account.unreservedRunning += by;
    if (by > 0) account.peak.note(account.unreservedRunning);
  }

  #changeRate({ rate }: FunctionCount, reserved: number | undefined): RequestRate | undefined {
    if (reserved === undefined || this.#ratePerConcurrency === Infinity) return undefined;
    const perSecond = reserved * this.#ratePerConcurrency;
    if (rate === undefined) return new RequestRate(perSecond);
    rate.change(perSecond);
    return rate;
  }

  /** Calls in environments that are no longer provisioned keep their count until they end. */
  #changeProvisioned(
    before: ReadonlyMap<string, ProvisionedCount>,
    sizes: Readonly<Record<string, ProvisionedSize>>,
  ): ReadonlyMap<string, ProvisionedCount> {
    const after = new Map<string, ProvisionedCount>();
    for (const [version, count] of before) if (count.running > 0) after.set(version, { ...count, usable: 0 });
    for (const [version, { claimed, usable }] of Object.entries(sizes)) {
      const rate = before.get(version)?.rate ?? new RequestRate(claimed * this.#ratePerConcurrency);
      rate.change(claimed * this.#ratePerConcurrency);
      const { running = 0, peak = new Peak() } = before.get(version) ?? {};
      after.set(version, { usable, running, rate, peak });
    }
    return after.size === 0 ? noProvisioned : after;
  }

  #addFunction(uid: string, namespace: string): FunctionCount {
    const count: FunctionCount = {
      namespace,
      reserved: undefined,
      provisionedSum: 0,
      provisionedByVersion: noProvisioned,
      running: 0,
      rate: undefined,
      isGone: true,
      peak: new Peak(),
    };
    this.#functionByUid.set(uid, count);
    this.#account(namespace).functions += 1;
    return count;
  }

  #account(namespace: string): AccountCount {
    const known = this.#accountByNamespace.get(namespace);
    if (known !== undefined) return known;
    const perSecond = this.#accountLimit * this.#ratePerConcurrency;
    const rate = Number.isFinite(perSecond) ? new RequestRate(perSecond) : undefined;
    const account: AccountCount = {
      functions: 0,
      running: 0,
      claimed: 0,
      unreservedRunning: 0,
      rate,
      peak: new Peak(),
    };
    this.#accountByNamespace.set(namespace, account);
    return account;
  }

  #forgetIfUnused(uid: string, count: FunctionCount): void {
    if (!count.isGone || count.running > 0 || provisionedRunning(count) > 0) return;
    this.#functionByUid.delete(uid);
    this.#account(count.namespace).functions -= 1;
  }
}

function provisionedRunning({ provisionedByVersion }: FunctionCount): number {
  let sum = 0;
  for (const { running } of provisionedByVersion.values()) sum += running;
  return sum;
}
