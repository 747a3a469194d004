import { formatGrant, parseGrant, type Grant } from "../../crds/wire/position.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { Question } from "./peer-messages.ts";
import type { CallOrder, Placement } from "./placement.ts";

/** `lost`: the connection is gone, and with it what the owner knew of the call. */
export type Asked = Placement | "lost";
export type Told = Asked | "ended";

/** The connection to a call's owner, as a call sees it. */
export interface OwnerLine {
  /** Settles with the answer. */
  question(connection: number, message: Question): Promise<Told>;
  /** Nobody waits for an answer. */
  say(connection: number, message: Question): void;
  /** Settles with the promise, or after the time that an end may take. */
  untilEnded(told: Promise<unknown>): Promise<void>;
  /** False: the connection is another one by now. */
  keep(call: PeerCall): boolean;
  setLent(call: PeerCall, isLent: boolean): void;
  readonly nowMs: number;
}

export interface PeerCallOf {
  readonly connection: number;
  readonly id: number;
  readonly order: CallOrder;
}

/** So long at most an ended call keeps what it had, and no longer than some times what it ran: idle, it counts as running. */
const mostKeptMs = 5;
const mostKeptRuns = 4;
/** A call that ran for longer saves nothing by keeping. */
const mostRunMs = 100;
/** The owner's word in a grant grows old: agents obey none that is older than 10 s. */
const mostLentMs = 1000;

interface Lent {
  readonly grant: Grant;
  readonly placement: Extract<Placement, { kind: "granted" }>;
  readonly sinceMs: number;
  /** Calls that may still run. */
  left: number;
  /** Calls that ran in place of the first. */
  used: number;
}

/** One call at another replica, on the connection that it was asked on; when it has ended, others may run in its place. */
export class PeerCall {
  readonly #line: OwnerLine;
  readonly #of: PeerCallOf;
  #hasAsked = false;
  #end: UseEnd | undefined;
  #isOver = false;
  #startedMs = 0;
  #lent: Lent | undefined;
  /** Until when the next call may take its place; 0: it is not kept. */
  #keptUntilMs = 0;

  constructor(line: OwnerLine, of: PeerCallOf) {
    this.#line = line;
    this.#of = of;
  }

  get id(): number {
    return this.#of.id;
  }

  get connection(): number {
    return this.#of.connection;
  }

  get order(): CallOrder {
    return this.#of.order;
  }

  get keptUntilMs(): number {
    return this.#keptUntilMs;
  }

  async place(): Promise<Asked> {
    const { connection, id, order } = this.#of;
    const end = this.#end as Exclude<UseEnd, "abandoned"> | undefined;
    this.#end = undefined;
    if (this.#lent !== undefined) this.#lent.left = 0;
    const waitMs = Math.max(0, order.deadlineMs - this.#line.nowMs);
    const { namespace: ns, functionUid: fn, version, hasWaited } = order;
    const asked = await this.#line.question(
      connection,
      this.#hasAsked
        ? { t: "again", id, end: end ?? "unused" }
        : { t: "ask", id, ns, fn, version, waitMs, hasWaited, keeps: true },
    );
    this.#hasAsked = true;
    if (asked === "ended") throw new Error("Cannot place a call: its owner says that it has ended");
    // Whoever was not given an environment is known there no more.
    if (asked === "lost" || asked.kind !== "granted") this.#finish();
    else this.#begin(asked);
    return asked;
  }

  /** Where the next call runs in its place. */
  reuse(): Placement {
    const lent = this.#lent;
    if (lent === undefined) throw new Error("Cannot reuse a call: nothing is lent");
    this.#keptUntilMs = 0;
    this.#end = undefined;
    this.#startedMs = this.#line.nowMs;
    lent.left -= 1;
    lent.used += 1;
    const { podUid, address, provisioned } = lent.placement;
    const { epoch, turn, heardMs } = lent.grant;
    const grant = formatGrant({ epoch, turn: turn + lent.used, heardMs });
    return { kind: "granted", podUid, address, grant, provisioned };
  }

  /** Told with the next question, or with the end. */
  giveBack(end: UseEnd): void {
    this.#end = end;
  }

  close(): void | Promise<void> {
    if (this.#isOver || this.#keep()) return;
    return this.#line.untilEnded(this.#line.question(this.#of.connection, this.#endMessage()));
  }

  /** It is kept no longer. */
  letGo(): void {
    this.#keptUntilMs = 0;
    if (!this.#isOver) this.#line.say(this.#of.connection, this.#endMessage());
  }

  /** The owner wants back what it has lent. */
  recall(): void {
    if (this.#keptUntilMs > 0) {
      this.letGo();
      return;
    }
    if (this.#lent !== undefined) this.#lent.left = 0;
    this.#line.say(this.#of.connection, { t: "using", id: this.#of.id });
  }

  /** The connection is gone: what was lent by it is nobody's. */
  lose(): void {
    this.#keptUntilMs = 0;
    this.#lent = undefined;
  }

  #begin(placement: Lent["placement"]): void {
    this.#startedMs = this.#line.nowMs;
    const { further = 0 } = placement;
    const grant = parseGrant(placement.grant);
    if (further === 0 || grant === undefined) return;
    this.#lent = { grant, placement, sinceMs: this.#startedMs, left: further, used: 0 };
    this.#line.setLent(this, true);
  }

  #keep(): boolean {
    const lent = this.#lent;
    if (lent === undefined || lent.left === 0 || this.#end !== "answered") return false;
    const { nowMs } = this.#line;
    const ranMs = nowMs - this.#startedMs;
    if (ranMs > mostRunMs || nowMs - lent.sinceMs > mostLentMs) return false;
    if (!this.#line.keep(this)) return false;
    this.#keptUntilMs = nowMs + Math.min(mostKeptRuns * ranMs, mostKeptMs);
    return true;
  }

  #endMessage(): Question {
    const end = this.#end as Exclude<UseEnd, "abandoned"> | undefined;
    const used = this.#lent?.used ?? 0;
    this.#finish();
    return { t: "end", id: this.#of.id, ...(end !== undefined && { end }), ...(used > 0 && { further: used }) };
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#lent !== undefined) this.#line.setLent(this, false);
  }
}
