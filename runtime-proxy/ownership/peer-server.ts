import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Roster } from "../../crds/wire/roster.ts";
import { routes } from "../../crds/wire/routes.ts";
import { ChurningMap } from "../../lib/churning-map.ts";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { AccountOwnership } from "./account-ownership.ts";
import type { OwnedCall, OwnerDesk } from "./owner-desk.ts";
import {
  PEER_PROTOCOL,
  questionsSchema,
  REPLICA_HEADER,
  type Answer,
  type Notice,
  type Question,
} from "./peer-messages.ts";
import { PeerWire } from "./peer-wire.ts";
import type { Placement } from "./placement.ts";

export interface PeerServerParts {
  /** Whether the bearer is a router that means this one. */
  readonly isAllowed: (authorization: string | undefined) => boolean;
  readonly ownership: AccountOwnership;
  readonly desk: OwnerDesk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRoster: (roster: Roster) => void;
  /** Most questions of one replica that wait for one account to be taken over. */
  readonly maxWaiting: number;
}

type Asking = Extract<Question, { t: "ask" }>;

const settleCheckMs = 20;

/** Answers other replicas for the accounts that this one owns. */
export class PeerServer {
  readonly #parts: PeerServerParts;
  readonly #peers = new Set<Peer>();

  constructor(parts: PeerServerParts) {
    this.#parts = parts;
  }

  /** Takes over the connection of a request that asks for an upgrade. */
  upgrade(request: IncomingMessage, socket: Duplex): void {
    socket.on("error", () => socket.destroy());
    const refuse = (status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    if (request.url !== routes.peer || request.headers.upgrade !== PEER_PROTOCOL) {
      refuse("404 Not Found");
      return;
    }
    if (!this.#parts.isAllowed(request.headers.authorization)) {
      refuse("401 Unauthorized");
      return;
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${PEER_PROTOCOL}\r\n\r\n`);
    const replica = String(request.headers[REPLICA_HEADER] ?? "").slice(0, 64);
    const peer = new Peer(this.#parts, { socket, replica, onGone: () => this.#peers.delete(peer) });
    this.#peers.add(peer);
  }

  tell(roster: Roster): void {
    for (const peer of this.#peers) peer.tell(roster);
  }

  close(): void {
    for (const peer of [...this.#peers]) peer.close();
  }
}

/** One replica that asks, and its calls here. */
class Peer {
  readonly #parts: PeerServerParts;
  readonly #callById = new ChurningMap<OwnedCall>();
  /** Questions about accounts that are being taken over, by their ids. */
  readonly #waiting = new Map<number, { readonly namespace: string }>();
  readonly #wire: PeerWire<Question | Notice>;

  constructor(
    parts: PeerServerParts,
    { socket, replica, onGone }: { readonly socket: Duplex; readonly replica: string; readonly onGone: () => void },
  ) {
    const { clock, log, ownership } = parts;
    this.#parts = parts;
    this.#wire = new PeerWire({
      ...{ socket, clock, schema: questionsSchema },
      onMessage: (message) => this.#take(message),
      onClosed: (reason) => {
        onGone();
        log.debug("A router is gone that asked here", { replica, reason, calls: this.#callById.size });
        this.#waiting.clear();
        for (const call of this.#callById.takeAll()) call.abandon();
      },
    });
    if (ownership.roster !== undefined) this.tell(ownership.roster);
  }

  tell(roster: Roster): void {
    this.#wire.send({ t: "roster", roster });
  }

  close(): void {
    this.#wire.close("this replica ends");
  }

  #take(message: Question | Notice): void {
    switch (message.t) {
      case "here":
        return;
      case "roster":
        this.#parts.onRoster(message.roster);
        return;
      case "ask":
        void this.#ask(message);
        return;
      case "again":
        void this.#again(message);
        return;
      case "end": {
        this.#waiting.delete(message.id);
        const call = this.#callById.take(message.id);
        call?.noteFurther(message.further ?? 0);
        if (message.end !== undefined) call?.giveBack(message.end);
        call?.close();
        this.#wire.send({ t: "ended", id: message.id });
        return;
      }
      case "using":
        this.#callById.get(message.id)?.use();
    }
  }

  async #ask({ id, ns, fn, version, waitMs, hasWaited = false, keeps = false }: Asking): Promise<void> {
    const { ownership, desk, clock } = this.#parts;
    ownership.know(ns);
    const deadlineMs = clock.monotonicMs() + waitMs;
    if (ownership.placeOf(ns).kind === "taking") {
      const own = [...this.#waiting.values()].filter(({ namespace }) => namespace === ns).length;
      if (own >= this.#parts.maxWaiting) {
        this.#wire.send({ t: "refused", id, refusal: "queueFull" });
        return;
      }
      if (!(await this.#isStillAsked(id, ns, deadlineMs))) return;
    }
    if (!ownership.isHere(ns)) {
      this.#wire.send({ t: "refused", id, refusal: "moved" });
      return;
    }
    const call = desk.open({ namespace: ns, functionUid: fn, version, deadlineMs, hasWaited });
    this.#callById.set(id, call);
    this.#answer(id, call, await placeSettled(this.#parts, ns, call), keeps);
  }

  /** Waits until the account is taken over: who asks has seen the roster before us, or as soon. False when nobody asks any more. */
  async #isStillAsked(id: number, namespace: string, deadlineMs: number): Promise<boolean> {
    const { ownership, clock } = this.#parts;
    this.#waiting.set(id, { namespace });
    while (this.#waiting.has(id) && ownership.placeOf(namespace).kind === "taking" && clock.monotonicMs() < deadlineMs)
      await ownership.changed(deadlineMs - clock.monotonicMs(), namespace);
    return this.#waiting.delete(id);
  }

  async #again({ id, end }: Extract<Question, { t: "again" }>): Promise<void> {
    const call = this.#callById.get(id);
    if (call === undefined) {
      this.#wire.send({ t: "refused", id, refusal: "moved" });
      return;
    }
    call.giveBack(end);
    this.#answer(id, call, await call.place());
  }

  #answer(id: number, call: OwnedCall, placement: Placement, keeps = false): void {
    // Its replica is gone, or has ended the call meanwhile.
    if (this.#callById.get(id) !== call) return;
    if (placement.kind !== "granted") {
      this.#callById.take(id);
      call.close();
    }
    const { kind, ...rest } = placement;
    const further = keeps ? call.lend(() => this.#wire.send({ t: "recall", id })) : 0;
    this.#wire.send({ t: kind, id, ...rest, ...(further > 0 && { further }) } as Answer);
  }
}

/** Nobody is refused for what only may run: right after a change of owner, environments have some time to say so. */
export async function placeSettled(
  { ownership, clock }: Pick<PeerServerParts, "ownership" | "clock">,
  namespace: string,
  call: OwnedCall,
): Promise<Placement> {
  for (;;) {
    const placing = call.place();
    const placement = placing instanceof Promise ? await placing : placing;
    if (placement.kind !== "throttled" || !ownership.isSettling(namespace)) return placement;
    await sleep(clock, settleCheckMs);
  }
}
