import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { keyOf, type Stored } from "../../lib/kubernetes/object.ts";
import { claimedBy, minimumOf, type AccountRules } from "./claims.ts";
import type { ConcurrencyDecision } from "./decide.ts";
import { orderOf } from "./wishes.ts";

export interface AccountBookOptions {
  /** Synced. */
  readonly functions: Pick<ObjectCache<FunctionObject>, "list" | "onChange">;
  readonly rules: AccountRules;
  /** An account has more room than before, and this Function waits for some. */
  readonly onRoom: (functionKey: string) => void;
}

interface Entry {
  readonly key: string;
  readonly order: string;
  /** By its status, as the cache shows it. */
  readonly written: number;
  /** Decided, and maybe not yet written or shown: so nothing is given out twice. */
  readonly decided: number;
  /** More than it has; undefined: it has what it wants. */
  readonly wanted: number | undefined;
}

interface Account {
  /** By a Function's uid. */
  readonly entries: Map<string, Entry>;
  /** Those of them that want more. */
  readonly waiting: Map<string, Entry>;
  /** Of all entries. */
  claimed: number;
}

/**
 * What every function takes out of its account's limit. Statuses are the truth; this adds what was decided a moment ago. A claim that
 * falls gives room only when its status is seen.
 */
export class AccountBook {
  readonly rules: AccountRules;
  readonly #options: AccountBookOptions;
  /** By namespace. */
  readonly #accounts = new Map<string, Account>();
  readonly #unsubscribe: () => void;

  constructor(options: AccountBookOptions) {
    this.rules = options.rules;
    this.#options = options;
    for (const object of options.functions.list()) this.#see(object);
    this.#unsubscribe = options.functions.onChange(({ type, object }) => {
      if (type === "deleted") this.#put(object, undefined);
      else this.#see(object);
    });
  }

  stop(): void {
    this.#unsubscribe();
  }

  /** What others claim, with what older functions wait for and would get. */
  claimedByOthers(object: Stored<FunctionObject>): number {
    const { namespace = "", uid } = object.metadata;
    const { entries, waiting, claimed } = this.#accounts.get(namespace) ?? newAccount();
    const own = entries.get(uid);
    const room = this.rules.limit - minimumOf(this.rules) - claimed;
    const older = [...waiting]
      .filter(([other, { order }]) => other !== uid && order < orderOf(object))
      .map(([, entry]) => entry)
      .sort((a, b) => (a.order < b.order ? -1 : 1));
    let promised = 0;
    for (const entry of older) {
      const more = Math.max(0, (entry.wanted ?? 0) - claimOf(entry));
      if (promised + more <= room) promised += more;
    }
    return claimed - (own === undefined ? 0 : claimOf(own)) + promised;
  }

  /** Takes a decision down before it is written. */
  note(object: Stored<FunctionObject>, { granted, wantedClaim }: ConcurrencyDecision): void {
    const { namespace = "", uid } = object.metadata;
    const decided = claimedBy(granted);
    const written = this.#accounts.get(namespace)?.entries.get(uid)?.written ?? 0;
    const wanted = wantedClaim > decided ? wantedClaim : undefined;
    this.#put(object, { key: keyOf(object), order: orderOf(object), written, decided, wanted });
  }

  /** It goes, or an older one has its name: it stands in nobody's way any more, and what its status claims stays its own until that changes. */
  withdraw(object: Stored<FunctionObject>): void {
    const { namespace = "", uid } = object.metadata;
    const known = this.#accounts.get(namespace)?.entries.get(uid);
    if (known?.wanted !== undefined) this.#put(object, { ...known, wanted: undefined });
  }

  #see(object: Stored<FunctionObject>): void {
    const { namespace = "", uid } = object.metadata;
    const { concurrency } = object.status ?? {};
    const written = claimedBy(concurrency);
    const known = this.#accounts.get(namespace)?.entries.get(uid);
    // Nobody has looked yet: it stands in line by its age.
    const asked = concurrency === undefined ? object.spec.reservedConcurrentExecutions : undefined;
    const decided = known === undefined || known.decided === written ? 0 : known.decided;
    const wanted = known === undefined ? asked : known.wanted;
    this.#put(object, { key: keyOf(object), order: orderOf(object), written, decided, wanted });
  }

  #put({ metadata: { namespace = "", uid } }: Stored<FunctionObject>, entry: Entry | undefined): void {
    const account = this.#accounts.get(namespace) ?? newAccount();
    this.#accounts.set(namespace, account);
    const { entries, waiting } = account;
    const known = entries.get(uid);
    const before = known === undefined ? 0 : claimOf(known);
    if (entry === undefined) entries.delete(uid);
    else entries.set(uid, entry);
    if (entry?.wanted === undefined) waiting.delete(uid);
    else waiting.set(uid, entry);
    const after = entry === undefined ? 0 : claimOf(entry);
    account.claimed += after - before;
    const isPassed = known?.wanted !== undefined && entry?.wanted === undefined;
    if (after < before || isPassed) {
      for (const [other, { key }] of [...waiting]) if (other !== uid) this.#options.onRoom(key);
    }
    if (entries.size === 0) this.#accounts.delete(namespace);
  }
}

function newAccount(): Account {
  return { entries: new Map(), waiting: new Map(), claimed: 0 };
}

function claimOf({ written, decided }: Entry): number {
  return Math.max(written, decided);
}
