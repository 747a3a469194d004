import { formatGrant } from "../../crds/wire/position.ts";
import { ChurningMap } from "../../lib/churning-map.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ConcurrencyPool } from "../domain/admission.ts";
import type { ConcurrencyLedger } from "../domain/concurrency.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import type { Acquired, EnvironmentPool, EnvironmentRequest } from "../environments/environment-pool.ts";
import type { CallOrder, CallTicket, Placement, ProvisionedUse } from "./placement.ts";

export interface OwnerDeskParts {
  readonly ledger: ConcurrencyLedger;
  readonly pool: EnvironmentPool;
  readonly functions: Pick<FunctionDirectory, "findVersion">;
  readonly clock: Clock;
}

/** Decides the calls of the accounts that this replica owns, whoever carries them. */
export class OwnerDesk {
  readonly #parts: OwnerDeskParts;
  readonly #callsByNamespace = new Map<string, ChurningMap<OwnedCall>>();
  #arrivals = 0;

  constructor(parts: OwnerDeskParts) {
    this.#parts = parts;
  }

  open(order: CallOrder): OwnedCall {
    this.#arrivals += 1;
    let calls = this.#callsByNamespace.get(order.namespace);
    if (calls === undefined) this.#callsByNamespace.set(order.namespace, (calls = new ChurningMap()));
    const call = new OwnedCall(this.#parts, order, this.#arrivals, calls);
    calls.set(this.#arrivals, call);
    return call;
  }

  /** Another replica decides from now on: who waits here is told so, who has an environment keeps it. */
  drop(namespace: string): void {
    for (const call of this.#callsByNamespace.get(namespace)?.values() ?? []) call.detach();
    this.#callsByNamespace.delete(namespace);
  }
}

/** One call at its owner: holds a slot from its admission to its end. */
export class OwnedCall implements CallTicket {
  readonly #parts: OwnerDeskParts;
  readonly #order: CallOrder;
  readonly #calls: ChurningMap<OwnedCall>;
  readonly #arrival: number;
  #pool: ConcurrencyPool | undefined;
  #kept: ProvisionedUse | undefined;
  #request: EnvironmentRequest | undefined;
  #podUid: string | undefined;
  #isRetry: boolean;
  #isClosed = false;

  constructor(parts: OwnerDeskParts, order: CallOrder, arrival: number, calls: ChurningMap<OwnedCall>) {
    this.#parts = parts;
    this.#order = order;
    this.#arrival = arrival;
    this.#calls = calls;
    this.#isRetry = order.hasWaited === true;
  }

  place(): Placement | Promise<Placement> {
    if (this.#isClosed) return { kind: "refused", refusal: "moved" };
    const { ledger, pool, clock } = this.#parts;
    const { functionUid, version, deadlineMs } = this.#order;
    if (this.#pool === undefined) {
      // Of what is not known here no limit is known either.
      if (!ledger.knows(functionUid)) return { kind: "refused", refusal: "functionGone" };
      const kept = ledger.provisioned(functionUid, version);
      const isProvisionedFree = kept !== undefined && pool.hasProvisioned(functionUid, version);
      const admission = ledger.admit(functionUid, { version, nowMs: clock.monotonicMs(), isProvisionedFree });
      if (!admission.ok) return { kind: "throttled", reason: admission.reason };
      this.#pool = admission.pool;
      if (kept !== undefined && kept.usable > 0) this.#kept = admission.pool === "provisioned" ? "used" : "spilled";
    }
    const isProvisioned = this.#pool === "provisioned";
    const request = { functionUid, version, isProvisioned, deadlineMs, arrival: this.#arrival, isRetry: this.#isRetry };
    this.#isRetry = true;
    const acquired = pool.acquire(request);
    if (!(acquired instanceof Promise)) return this.#toPlacement(acquired);
    this.#request = request;
    return acquired.then((later) => this.#toPlacement(later));
  }

  giveBack(end: UseEnd): void {
    const podUid = this.#podUid;
    this.#podUid = undefined;
    if (podUid !== undefined) this.#parts.pool.free(podUid, end);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#calls.take(this.#arrival);
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
