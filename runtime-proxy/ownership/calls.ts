import type { Roster } from "../../crds/wire/roster.ts";
import type { Clock } from "../../lib/clock.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import type { AccountOwnership } from "./account-ownership.ts";
import type { OwnedCall, OwnerDesk } from "./owner-desk.ts";
import type { Asked, PeerCall } from "./peer-call.ts";
import { PeerLink, type PeerLinkParts } from "./peer-link.ts";
import { placeSettled } from "./peer-server.ts";
import type { CallOrder, CallTicket, Placement } from "./placement.ts";

export interface CallsParts extends Omit<PeerLinkParts, "peer" | "roster"> {
  readonly ownership: AccountOwnership;
  readonly desk: OwnerDesk;
  readonly clock: Clock;
  /** As this replica knows them. */
  readonly functions: Pick<FunctionDirectory, "findVersion">;
  /** Most calls of one account that wait here for an owner that answers. */
  readonly maxWaiting: number;
}

const noOwner: Placement = { kind: "refused", refusal: "noOwner" };
const tooMany: Placement = { kind: "refused", refusal: "queueFull" };
/** Between two looks for an owner that answers, when nothing says that anything has changed. */
const lookAgainMs = 50;
/** An owner says itself when a call has waited too long: after this it says nothing at all. */
const overdueMs = 1000;
/** An owner that has not heard yet of what is known here hears of it within moments, or is cut off from the API server. */
const newsMs = 2000;

/** The calls that this replica carries, each decided by the owner of its account: here, or at another replica. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #links = new Map<string, PeerLink>();
  /** Calls for whose account nobody answers, by namespace. */
  readonly #waiting = new Map<string, number>();
  #open = 0;
  #opened = 0;

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  /** Calls that are carried now. */
  get open(): number {
    return this.#open;
  }

  /** Calls that were carried until now, and those that are. */
  get opened(): number {
    return this.#opened;
  }

  ticket(order: CallOrder): CallTicket {
    this.#open += 1;
    this.#opened += 1;
    return new Ticket(this.#parts, order, {
      linkTo: (replica, address) => this.#linkTo(replica, address),
      onClosed: () => (this.#open -= 1),
      beginWait: (namespace) => this.#beginWait(namespace),
      endWait: (namespace) => this.#endWait(namespace),
    });
  }

  #beginWait(namespace: string): boolean {
    const waiting = this.#waiting.get(namespace) ?? 0;
    if (waiting >= this.#parts.maxWaiting) return false;
    this.#waiting.set(namespace, waiting + 1);
    return true;
  }

  #endWait(namespace: string): void {
    const left = (this.#waiting.get(namespace) ?? 0) - 1;
    if (left > 0) this.#waiting.set(namespace, left);
    else this.#waiting.delete(namespace);
  }

  /** Connections to all replicas that may own something, before they are needed. */
  follow(roster: Roster): void {
    const present = new Map(roster.replicas.map(({ podUid, address }) => [`${podUid} ${address}`, podUid]));
    for (const [key, link] of this.#links) {
      if (present.has(key)) continue;
      this.#links.delete(key);
      link.close();
    }
    for (const { podUid, address } of roster.replicas)
      if (podUid !== this.#parts.replica) this.#linkTo(podUid, address).tell(roster);
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkTo(podUid: string, address: string): PeerLink {
    const key = `${podUid} ${address}`;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const { ownership } = this.#parts;
    const link = new PeerLink({ ...this.#parts, peer: { podUid, address }, roster: () => ownership.roster });
    this.#links.set(key, link);
    return link;
  }
}

interface TicketHooks {
  readonly linkTo: (podUid: string, address: string) => PeerLink;
  readonly onClosed: () => void;
  /** False: as many wait as may. */
  readonly beginWait: (namespace: string) => boolean;
  readonly endWait: (namespace: string) => void;
}

/** One call, at whichever replica owns its account at the time. */
class Ticket implements CallTicket {
  readonly #parts: CallsParts;
  readonly #hooks: TicketHooks;
  #order: CallOrder;
  #at: OwnedCall | PeerCall | undefined;
  #isClosed = false;
  /** Until when the owner may hear of the function; monotonic. */
  #newsUntilMs: number | undefined;

  constructor(parts: CallsParts, order: CallOrder, hooks: TicketHooks) {
    this.#parts = parts;
    this.#order = order;
    this.#hooks = hooks;
  }

  place(): Placement | Promise<Placement> {
    const { ownership, desk } = this.#parts;
    const { namespace } = this.#order;
    // The common case, without a message or a turn of the event loop.
    if (this.#at === undefined && ownership.isHere(namespace) && !ownership.isSettling(namespace)) {
      const call = desk.open(this.#order);
      this.#at = call;
      const placing = call.place();
      if (!(placing instanceof Promise)) return placing;
      return placing.then((placement) => (this.#isMoved(placement) ? this.#placeAnywhere() : placement));
    }
    return this.#placeInKept() ?? this.#placeAnywhere();
  }

  giveBack(end: UseEnd): void {
    this.#at?.giveBack(end);
  }

  close(): void | Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hooks.onClosed();
    return this.#at?.close();
  }

  /** In the place of a call that has just ended here, without asking; undefined: there is none. */
  #placeInKept(): Placement | undefined {
    if (this.#at !== undefined) return undefined;
    const place = this.#parts.ownership.placeOf(this.#order.namespace);
    if (place.kind !== "there") return undefined;
    const { podUid, address } = place.replica;
    const call = this.#hooks.linkTo(podUid, address).takeKept(this.#order);
    this.#at = call;
    return call?.reuse();
  }

  async #placeAnywhere(): Promise<Placement> {
    const { clock, ownership } = this.#parts;
    const { namespace } = this.#order;
    let waits = false;
    try {
      for (;;) {
        const placement = await this.#placeOnce();
        if (placement !== undefined && !this.#isMoved(placement) && !this.#isNews(placement)) return placement;
        void this.#at?.close();
        this.#at = undefined;
        const leftMs = this.#order.deadlineMs - clock.monotonicMs();
        if (leftMs <= 0) return noOwner;
        waits ||= this.#hooks.beginWait(namespace);
        if (!waits) return tooMany;
        await ownership.changed(Math.min(leftMs, lookAgainMs), namespace);
      }
    } finally {
      if (waits) this.#hooks.endWait(namespace);
    }
  }

  /** Undefined: nobody answers for the account now. */
  async #placeOnce(): Promise<Placement | undefined> {
    const { ownership, desk } = this.#parts;
    const { namespace } = this.#order;
    if (this.#at !== undefined) return this.#unlessLost(await this.#at.place());
    const place = ownership.placeOf(namespace);
    if (place.kind === "here") {
      const call = desk.open(this.#order);
      this.#at = call;
      return await placeSettled(this.#parts, namespace, call);
    }
    if (place.kind !== "there") return undefined;
    const { podUid, address } = place.replica;
    const call = this.#hooks.linkTo(podUid, address).ask(this.#order);
    if (call === undefined) return undefined;
    this.#at = call;
    return this.#unlessLost(await this.#untilMoved(call.place(), podUid));
  }

  /** An owner that went with the question may have let the call in. */
  #unlessLost(asked: Asked | undefined): Placement | undefined {
    if (asked !== "lost") return asked;
    this.#order = { ...this.#order, hasWaited: true };
    return undefined;
  }

  #isMoved(placement: Placement): boolean {
    if (placement.kind !== "refused" || placement.refusal !== "moved") return false;
    if (placement.hasWaited === true) this.#order = { ...this.#order, hasWaited: true };
    return true;
  }

  /** The owner's watch has not shown it yet what ours has. */
  #isNews(placement: Placement): boolean {
    if (placement.kind !== "refused" || placement.refusal !== "functionGone") return false;
    const { functions, clock } = this.#parts;
    if (functions.findVersion(this.#order.functionUid, this.#order.version) === undefined) return false;
    this.#newsUntilMs ??= clock.monotonicMs() + newsMs;
    return clock.monotonicMs() < this.#newsUntilMs;
  }

  /** An owner that is asked and says nothing is waited for no more once another has taken its place. */
  #untilMoved(asking: Promise<Asked>, owner: string): Promise<Asked | undefined> {
    const { ownership, clock } = this.#parts;
    const { namespace, deadlineMs } = this.#order;
    return new Promise((resolve) => {
      const finish = (asked: Asked | undefined): void => {
        unsubscribe();
        cancel();
        resolve(asked);
      };
      const unsubscribe = ownership.onChange((changed) => {
        if (changed !== undefined && changed !== namespace) return;
        const place = ownership.placeOf(namespace);
        if (place.kind !== "there" || place.replica.podUid !== owner) finish(undefined);
      });
      // In whole seconds: timers of one length are one list to Node.js, and each length of its own is a place in a heap.
      const limitMs = Math.ceil((deadlineMs - clock.monotonicMs() + overdueMs) / 1000) * 1000;
      const cancel = clock.schedule(limitMs, () => finish(noOwner));
      void asking.then(finish);
    });
  }
}
