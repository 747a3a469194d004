import { formatGrant } from "../../crds/wire/position.ts";
import { ChurningMap } from "../../lib/churning-map.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ConcurrencyPool, ThrottleReason } from "../domain/admission.ts";
import type { ConcurrencyLedger } from "../domain/concurrency.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import type { Acquired, EnvironmentPool, EnvironmentRequest } from "../environments/environment-pool.ts";
import { Lendings, type Lending } from "./lendings.ts";
import type { CallOrder, CallTicket, Placement, ProvisionedUse } from "./placement.ts";

export interface OwnerDeskParts {
  readonly ledger: ConcurrencyLedger;
  readonly pool: EnvironmentPool;
  readonly functions: Pick<FunctionDirectory, "findVersion">;
  readonly clock: Clock;
}

/** What is known of an account whose calls are decided here. */
interface Account {
  readonly calls: ChurningMap<OwnedCall>;
  readonly lendings: Lendings;
}

/** Further calls that one grant may be good for. */
const furtherCalls = 31;

/** Decides the calls of the accounts that this replica owns, whoever carries them. */
export class OwnerDesk {
  readonly #parts: OwnerDeskParts;
  readonly #accountByNamespace = new Map<string, Account>();
  #arrivals = 0;

  constructor(parts: OwnerDeskParts) {
    this.#parts = parts;
  }

  open(order: CallOrder): OwnedCall {
    this.#arrivals += 1;
    let account = this.#accountByNamespace.get(order.namespace);
    if (account === undefined) {
      account = { calls: new ChurningMap(), lendings: new Lendings(this.#parts.clock) };
      this.#accountByNamespace.set(order.namespace, account);
    }
    const call = new OwnedCall(this.#parts, order, this.#arrivals, account);
    account.calls.set(this.#arrivals, call);
    return call;
  }

  /** A call of the account runs or waits. */
  has(namespace: string): boolean {
    return (this.#accountByNamespace.get(namespace)?.calls.size ?? 0) > 0;
  }

  /** What was lent of a function is called back: its limits or its code may be others now. */
  functionChanged(namespace: string, functionUid: string): void {
    void this.#accountByNamespace.get(namespace)?.lendings.want({ functionUid, isOfAccount: false });
  }

  functionGone(functionUid: string): void {
    for (const { lendings } of this.#accountByNamespace.values()) lendings.forget(functionUid);
  }

  /** Another replica decides from now on: who waits here is told so, who has an environment keeps it. */
  drop(namespace: string): void {
    for (const call of this.#accountByNamespace.get(namespace)?.calls.values() ?? []) call.detach();
    this.#accountByNamespace.delete(namespace);
  }
}

/** One call at its owner: holds a slot from its admission to its end. */
export class OwnedCall implements CallTicket, Lending {
  readonly #parts: OwnerDeskParts;
  readonly #order: CallOrder;
  readonly #account: Account;
  readonly #arrival: number;
  #pool: ConcurrencyPool | undefined;
  #kept: ProvisionedUse | undefined;
  #request: EnvironmentRequest | undefined;
  #podUid: string | undefined;
  #isRetry: boolean;
  #isClosed = false;
  /** Of what others have, so much was called back for it. */
  #wanted: "nothing" | "function" | "account" = "nothing";
  /** Calls that may run in its place. */
  #further = 0;
  #recall: (() => void) | undefined;
  #recalled: PromiseWithResolvers<void> | undefined;

  constructor(parts: OwnerDeskParts, order: CallOrder, arrival: number, account: Account) {
    this.#parts = parts;
    this.#order = order;
    this.#arrival = arrival;
    this.#account = account;
    this.#isRetry = order.hasWaited === true;
  }

  get number(): number {
    return this.#arrival;
  }

  get functionUid(): string {
    return this.#order.functionUid;
  }

  place(): Placement | Promise<Placement> {
    if (this.#isClosed) return { kind: "refused", refusal: "moved" };
    const { ledger, pool } = this.#parts;
    const { functionUid, version } = this.#order;
    if (this.#pool === undefined) {
      // Of what is not known here no limit is known either.
      if (!ledger.knows(functionUid)) return { kind: "refused", refusal: "functionGone" };
      const refusal = this.#enter();
      if (refusal instanceof Promise) return refusal;
      if (refusal !== undefined) {
        const isOfAccount = !refusal.startsWith("Reserved");
        return this.#placeAfterRecall(isOfAccount) ?? { kind: "throttled", reason: refusal };
      }
    }
    if (!pool.hasFree({ functionUid, version, isProvisioned: this.#pool === "provisioned" })) {
      const later = this.#placeAfterRecall(false);
      if (later !== undefined) return later;
    }
    return this.#acquire();
  }

  /**
   * Lets who carries the call run so many others of its version in the environment that it was given, one after another. `recall` asks for
   * it back: answered by `use`, or by the end. 0: others want for it, or it would use up a rate.
   */
  lend(recall: () => void): number {
    const { ledger, pool, clock } = this.#parts;
    const { functionUid, version } = this.#order;
    const { lendings } = this.#account;
    // Spilled over, the next call may find room in what is kept ready.
    if (this.#podUid === undefined || this.#pool === undefined || this.#kept === "spilled") return 0;
    if (!lendings.mayLend(functionUid) || pool.waitingOf(functionUid) > 0) return 0;
    const ahead = { pool: this.#pool, version, count: furtherCalls, nowMs: clock.monotonicMs() };
    if (!ledger.takeAhead(functionUid, ahead)) return 0;
    pool.lend(this.#podUid, furtherCalls);
    this.#further = furtherCalls;
    this.#recall = recall;
    lendings.add(this);
    return furtherCalls;
  }

  recall(): Promise<void> {
    if (this.#recalled === undefined) {
      this.#recalled = Promise.withResolvers();
      this.#recall?.();
    }
    return this.#recalled.promise;
  }

  /** Who carries the call answers a recall: a call runs, and no other will in its place. */
  use(): void {
    this.#account.lendings.remove(this);
    this.#recalled?.resolve();
  }

  /** So many others have run in its place. */
  noteFurther(count: number): void {
    const unused = Math.max(0, this.#further - count);
    this.#further = 0;
    if (this.#pool === undefined || unused === 0) return;
    const { functionUid, version } = this.#order;
    this.#parts.ledger.giveBackAhead(functionUid, { pool: this.#pool, version, count: unused });
  }

  giveBack(end: UseEnd): void {
    const podUid = this.#podUid;
    this.#podUid = undefined;
    if (podUid !== undefined) this.#parts.pool.free(podUid, end);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#account.calls.take(this.#arrival);
    if (this.#recall !== undefined) this.use();
    if (this.#request !== undefined) this.#parts.pool.refuse(this.#request, "moved");
    // Given, and never heard of by whoever carries it.
    this.giveBack("unused");
    const { functionUid, version } = this.#order;
    if (this.#pool !== undefined) this.#parts.ledger.leave(functionUid, this.#pool, version);
  }

  /** Who carries the call is gone. */
  abandon(): void {
    this.giveBack("abandoned");
    this.close();
  }

  /** The account has another owner: what becomes of the call is told there, by its environment. */
  detach(): void {
    this.#podUid = undefined;
    this.close();
  }

  /** Takes a slot; else why not, or what comes of it later. */
  #enter(): ThrottleReason | Promise<Placement> | undefined {
    const { ledger, pool, clock } = this.#parts;
    const { functionUid, version } = this.#order;
    const kept = ledger.provisioned(functionUid, version);
    const isProvisionedFree = kept !== undefined && pool.hasProvisioned(functionUid, version);
    if (kept !== undefined && kept.usable > 0 && !isProvisionedFree) {
      const later = this.#placeAfterRecall(false);
      if (later !== undefined) return later;
    }
    const admission = ledger.admit(functionUid, { version, nowMs: clock.monotonicMs(), isProvisionedFree });
    if (!admission.ok) return admission.reason;
    this.#pool = admission.pool;
    if (kept !== undefined && kept.usable > 0) this.#kept = admission.pool === "provisioned" ? "used" : "spilled";
    return undefined;
  }

  /** Undefined: nothing that it lacks is lent, or it was called back before. */
  #placeAfterRecall(isOfAccount: boolean): Promise<Placement> | undefined {
    if (this.#wanted === "account" || (this.#wanted === "function" && !isOfAccount)) return undefined;
    const recalled = this.#account.lendings.want({ functionUid: this.functionUid, isOfAccount });
    if (recalled === undefined) return undefined;
    this.#wanted = isOfAccount ? "account" : "function";
    return recalled.then(() => this.place());
  }

  #acquire(): Placement | Promise<Placement> {
    const { functionUid, version, deadlineMs } = this.#order;
    const isProvisioned = this.#pool === "provisioned";
    const request = { functionUid, version, isProvisioned, deadlineMs, arrival: this.#arrival, isRetry: this.#isRetry };
    this.#isRetry = true;
    const acquired = this.#parts.pool.acquire(request);
    if (!(acquired instanceof Promise)) return this.#toPlacement(acquired);
    this.#request = request;
    return acquired.then((later) => this.#toPlacement(later));
  }

  #toPlacement(acquired: Acquired): Placement {
    this.#request = undefined;
    if (acquired.ok) {
      const { pod, address } = acquired.environment;
      if (this.#isClosed) {
        this.#parts.pool.free(pod.podUid, "unused");
        return { kind: "refused", refusal: "moved" };
      }
      this.#podUid = pod.podUid;
      const granted = { kind: "granted", podUid: pod.podUid, address, grant: formatGrant(acquired.grant) } as const;
      return this.#kept === undefined ? granted : { ...granted, provisioned: this.#kept };
    }
    const { refusal } = acquired;
    const current = this.#parts.functions.findVersion(this.#order.functionUid, this.#order.version);
    const failure = current === undefined ? undefined : this.#parts.pool.failure(current);
    const hasWaited = refusal === "moved";
    return { kind: "refused", refusal, hasWaited, ...(failure !== undefined && { failure }) };
  }
}
