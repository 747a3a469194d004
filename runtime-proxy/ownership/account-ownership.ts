import { ownerOf, type Roster, type RosterReplica } from "../../crds/wire/roster.ts";
import { backoffMs, type BackoffPolicy } from "../../lib/backoff.ts";
import { ChurningMap } from "../../lib/churning-map.ts";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { EnvironmentDirectory } from "../domain/environment.ts";
import { decideTenure, isNewer } from "../domain/ownership/tenure.ts";
import type { EnvironmentPool } from "../environments/environment-pool.ts";
import type { OwnerDesk } from "./owner-desk.ts";

export interface AccountOwnershipParts {
  /** uid of this replica's pod. */
  readonly replica: string;
  readonly pool: EnvironmentPool;
  readonly desk: OwnerDesk;
  readonly environments: Pick<EnvironmentDirectory, "listNow" | "onChange">;
  readonly clock: Clock;
  readonly log: Logger;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** What runs in an account's environments is to be asked now. */
  readonly onTaken: (namespace: string) => void;
}

/** Where an account's calls are decided. `taking`: here, once it is known what runs. `unknown`: no roster names an owner. */
export type OwnerPlace =
  | { readonly kind: "here" }
  | { readonly kind: "taking" }
  | { readonly kind: "there"; readonly replica: RosterReplica; readonly epoch: number }
  | { readonly kind: "unknown" };

interface Account {
  /** Ours, and what runs is known. */
  isOwned: boolean;
  /** Aborted when the account is no longer to be taken. */
  taking: AbortController | undefined;
  /** Who owns it by the newest roster, when that is not this replica; undefined: to be looked up. */
  there: Extract<OwnerPlace, { kind: "there" }> | undefined;
  /** A refusal before that moment may be due to what the owner before had let in; monotonic. */
  settlingUntilMs: number;
}

const listBackoff: BackoffPolicy = { initialMs: 50, maxMs: 2000, factor: 2, jitter: 0.5 };
/** How long environments have to say what they run, or that it has ended, before calls are refused for their sake. */
const settleMs = 3000;
/** Grants are numbered from a random one of so many: what a life of this owner under the same roster gave before is elsewhere. */
const firstTurns = 2 ** 51;
const here: OwnerPlace = { kind: "here" };
const taking: OwnerPlace = { kind: "taking" };
const unknown: OwnerPlace = { kind: "unknown" };

/** `namespace`: the account that has another place now; undefined: any may have. */
type PlaceListener = (namespace: string | undefined) => void;

/** Follows the roster: takes over the accounts that fall to this replica, one consistent look at their pods each, and lets go of the others. */
export class AccountOwnership {
  readonly #parts: AccountOwnershipParts;
  readonly #accounts = new Map<string, Account>();
  readonly #waiting = new ChurningMap<PlaceListener>();
  #lastWaiting = 0;
  #roster: Roster | undefined;
  /** Pods that went while accounts were being taken. */
  #gone: Set<string> | undefined;
  #isStopped = false;

  constructor(parts: AccountOwnershipParts) {
    this.#parts = parts;
    parts.environments.onChange((podUid, pod) => {
      if (pod === undefined) this.#gone?.add(podUid);
    });
  }

  get roster(): Roster | undefined {
    return this.#roster;
  }

  /** Every roster that is known to have been in force, in any order. */
  setRoster(roster: Roster): void {
    const before = this.#roster;
    if (!isNewer(roster, before) || this.#isStopped) return;
    this.#roster = roster;
    for (const [namespace, account] of this.#accounts) {
      account.there = undefined;
      const seen = { roster, before, replica: this.#parts.replica };
      switch (decideTenure(seen, { name: namespace, isOwned: account.isOwned })) {
        case "keep":
          this.#parts.pool.renew(namespace, roster.epoch);
          break;
        case "take":
          this.#drop(namespace, account);
          this.#take(namespace, account);
          break;
        case "drop":
        case "none":
          this.#drop(namespace, account);
      }
    }
    this.#tell();
  }

  /** From now on the account is looked after: taken when it is ours, now or later. */
  know(namespace: string): void {
    if (this.#accounts.has(namespace)) return;
    const account: Account = { isOwned: false, taking: undefined, there: undefined, settlingUntilMs: 0 };
    this.#accounts.set(namespace, account);
    if (this.#roster !== undefined && ownerOf(this.#roster, namespace)?.podUid === this.#parts.replica)
      this.#take(namespace, account);
  }

  /** The accounts that are looked after. */
  known(): Iterable<string> {
    return this.#accounts.keys();
  }

  /**
   * An account of which nothing is left: no call of it runs or waits, and no environment is there. Known again, it is taken over anew, also
   * under the same roster, as by a router that begins anew. Not while it is being taken.
   */
  forget(namespace: string): boolean {
    const account = this.#accounts.get(namespace);
    if (account?.taking !== undefined) return false;
    if (account !== undefined) this.#drop(namespace, account);
    return this.#accounts.delete(namespace);
  }

  isHere(namespace: string): boolean {
    return this.#accounts.get(namespace)?.isOwned === true;
  }

  placeOf(namespace: string): OwnerPlace {
    this.know(namespace);
    const account = this.#accounts.get(namespace);
    if (account?.isOwned === true) return here;
    if (account?.taking !== undefined) return taking;
    if (account?.there !== undefined) return account.there;
    const replica = this.#roster === undefined ? undefined : ownerOf(this.#roster, namespace);
    if (replica === undefined || this.#roster === undefined) return unknown;
    const there = { kind: "there", replica, epoch: this.#roster.epoch } as const;
    if (account !== undefined) account.there = there;
    return there;
  }

  /** Who is to be told of an environment, for its agent. */
  ownerOf(namespace: string): { readonly epoch: number; readonly address: string } | undefined {
    const owner = this.#roster === undefined ? undefined : ownerOf(this.#roster, namespace);
    return owner === undefined ? undefined : { epoch: this.#roster?.epoch ?? 0, address: owner.address };
  }

  /** True while something may run in the account that was let in before it was ours, for a while: its end may be on its way to us. */
  isSettling(namespace: string): boolean {
    const account = this.#accounts.get(namespace);
    if (account === undefined || account.settlingUntilMs === 0) return false;
    const isOver = this.#parts.clock.monotonicMs() > account.settlingUntilMs || !this.#hasDoubt(namespace);
    if (isOver) account.settlingUntilMs = 0;
    return !isOver;
  }

  /** Calls whenever an account may have another place, until it is unsubscribed. Thousands of calls may wait, for thousands of accounts. */
  onChange(listener: PlaceListener): () => void {
    const number = (this.#lastWaiting += 1);
    this.#waiting.set(number, listener);
    return () => void this.#waiting.take(number);
  }

  /** Settles when the account may have another place, or any account where none is named, at the latest after `limitMs`. */
  async changed(limitMs: number, namespace?: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const unsubscribe = this.onChange((changed) => {
      if (changed === undefined || namespace === undefined || changed === namespace) resolve(undefined);
    });
    const cancel = this.#parts.clock.schedule(limitMs, () => resolve(undefined));
    await promise;
    cancel();
    unsubscribe();
  }

  /** Settles once no account of ours is being taken, at the latest after `limitMs`. */
  async settled(limitMs: number): Promise<void> {
    const untilMs = this.#parts.clock.monotonicMs() + limitMs;
    const isTaking = (): boolean => [...this.#accounts.values()].some((account) => account.taking !== undefined);
    for (let leftMs = limitMs; isTaking() && leftMs > 0; leftMs = untilMs - this.#parts.clock.monotonicMs())
      await this.changed(leftMs);
  }

  /** Settles once the roster does not name this replica, at the latest after `limitMs`. */
  async replaced(limitMs: number): Promise<void> {
    const untilMs = this.#parts.clock.monotonicMs() + limitMs;
    const isNamed = (): boolean =>
      this.#roster?.replicas.some(({ podUid }) => podUid === this.#parts.replica) === true && !this.#isStopped;
    for (let leftMs = limitMs; isNamed() && leftMs > 0; leftMs = untilMs - this.#parts.clock.monotonicMs())
      await this.changed(leftMs);
  }

  stop(): void {
    this.#isStopped = true;
    for (const account of this.#accounts.values()) account.taking?.abort();
    this.#tell();
  }

  #hasDoubt(namespace: string): boolean {
    for (const { mayRun } of this.#parts.pool.unsettled(namespace)) if (mayRun) return true;
    return false;
  }

  #drop(namespace: string, account: Account): void {
    account.taking?.abort();
    account.taking = undefined;
    if (!account.isOwned) return;
    account.isOwned = false;
    this.#parts.log.debug("Account let go", { namespace, epoch: this.#roster?.epoch });
    this.#parts.desk.drop(namespace);
    this.#parts.pool.drop(namespace);
  }

  #take(namespace: string, account: Account): void {
    if (this.#isStopped) return;
    const ending = new AbortController();
    account.taking = ending;
    void this.#takeOver(namespace, account, ending.signal);
  }

  async #takeOver(namespace: string, account: Account, signal: AbortSignal): Promise<void> {
    const { environments, clock, log, draw, pool } = this.#parts;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      // Read after the roster: whatever was made under an older one is in the list.
      const epoch = this.#roster?.epoch ?? 0;
      this.#gone ??= new Set();
      const gone = this.#gone;
      try {
        const listed = await environments.listNow(namespace);
        if (account.taking?.signal !== signal) return;
        const tenure = { epoch, firstTurn: Math.floor(draw() * firstTurns) };
        const present = listed.filter(({ podUid }) => !gone.has(podUid));
        account.settlingUntilMs = clock.monotonicMs() + settleMs;
        account.isOwned = true;
        account.taking = undefined;
        pool.adopt(namespace, tenure, present);
        pool.renew(namespace, this.#roster?.epoch ?? epoch);
        this.#forgetGone();
        log.debug("Account taken over", { namespace, epoch, environments: present.length });
        this.#parts.onTaken(namespace);
        this.#tell(namespace);
        return;
      } catch (error) {
        const write = attempt === 5 ? log.warn : log.debug;
        write("Cannot read an account's pods to take it over", { namespace, epoch, error });
        await sleep(clock, backoffMs(listBackoff, attempt, draw()), signal).catch(() => undefined);
      }
    }
  }

  #forgetGone(): void {
    const isTaking = [...this.#accounts.values()].some((account) => account.taking !== undefined);
    if (!isTaking) this.#gone = undefined;
  }

  #tell(namespace?: string): void {
    for (const listener of this.#waiting.values()) listener(namespace);
  }
}
