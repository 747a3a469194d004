import { request } from "node:http";
import type { Duplex } from "node:stream";
import type { Roster, RosterReplica } from "../../crds/wire/roster.ts";
import { routes } from "../../crds/wire/routes.ts";
import { backoffMs, type BackoffPolicy } from "../../lib/backoff.ts";
import { ChurningMap } from "../../lib/churning-map.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { ThrottleReason } from "../domain/admission.ts";
import { KeptCalls } from "./kept-calls.ts";
import { PeerCall, type OwnerLine, type Told } from "./peer-call.ts";
import {
  answersSchema,
  PEER_PROTOCOL,
  REPLICA_HEADER,
  type Answer,
  type Notice,
  type Question,
} from "./peer-messages.ts";
import { PeerWire } from "./peer-wire.ts";
import type { CallOrder } from "./placement.ts";

export interface PeerLinkParts {
  readonly peer: RosterReplica;
  /** uid of this replica's pod. */
  readonly replica: string;
  /** The value of `authorization` for a pod's uid. */
  readonly authorize: (podUid: string) => string;
  readonly roster: () => Roster | undefined;
  readonly onRoster: (roster: Roster) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly draw: () => number;
}

type Wire = PeerWire<Answer | Notice>;

const reconnectBackoff: BackoffPolicy = { initialMs: 20, maxMs: 1000, factor: 2, jitter: 0.5 };
const dialMs = 2000;
/** An answer waits so long for the owner to take the slot back: one that is gone or stuck holds up nobody. */
const endMs = 1000;

/** The standing connection to one other replica, to ask it as the owner; kept up until `close`. */
export class PeerLink implements OwnerLine {
  readonly #parts: PeerLinkParts;
  readonly #waitingById = new ChurningMap<(told: Told) => void>();
  /** Calls that may run others in their place. */
  readonly #lentById = new ChurningMap<PeerCall>();
  readonly #kept: KeptCalls;
  #wire: Wire | undefined;
  /** Connections so far: an id means something on its own connection only. */
  #connection = 0;
  #nextId = 0;
  #failures = 0;
  #isConnecting = false;
  #cancelRetry: () => void = () => undefined;
  #isClosed = false;

  constructor(parts: PeerLinkParts) {
    this.#parts = parts;
    this.#kept = new KeptCalls(parts.clock);
    this.#connect();
  }

  /** Undefined while there is no connection. */
  ask(order: CallOrder): PeerCall | undefined {
    const wire = this.#wire;
    if (wire === undefined) return undefined;
    this.#nextId += 1;
    return new PeerCall(this, { connection: this.#connection, id: this.#nextId, order });
  }

  /** An ended call of the same version, in whose place this one runs. */
  takeKept({ functionUid, version }: CallOrder): PeerCall | undefined {
    return this.#kept.take(functionUid, version);
  }

  /** False: it has to end. */
  keep(call: PeerCall): boolean {
    if (call.connection !== this.#connection || this.#wire === undefined) return false;
    this.#kept.add(call);
    return true;
  }

  setLent(call: PeerCall, isLent: boolean): void {
    if (isLent) this.#lentById.set(call.id, call);
    else this.#lentById.take(call.id);
  }

  tell(roster: Roster): void {
    this.#wire?.send({ t: "roster", roster });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#wire?.close("this replica has no more use for it");
  }

  /** Sends a question of this connection and waits for its answer. */
  question(connection: number, message: Question): Promise<Told> {
    if (connection !== this.#connection || this.#wire === undefined) return Promise.resolve("lost");
    this.#wire.send(message);
    return new Promise((resolve) => this.#waitingById.set(message.id, resolve));
  }

  say(connection: number, message: Question): void {
    if (connection === this.#connection) this.#wire?.send(message);
  }

  untilEnded(told: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.schedule(endMs, resolve);
      void told.then(() => {
        cancel();
        resolve();
      });
    });
  }

  get nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  #connect(): void {
    if (this.#isClosed || this.#isConnecting) return;
    this.#isConnecting = true;
    const { peer, replica, authorize, log } = this.#parts;
    const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(peer.address) ?? [];
    const dial = request({
      ...{ host, port, method: "GET", path: routes.peer, agent: false, timeout: dialMs },
      headers: {
        authorization: authorize(peer.podUid),
        connection: "upgrade",
        upgrade: PEER_PROTOCOL,
        [REPLICA_HEADER]: replica,
      },
    });
    const failed = (why: unknown): void => {
      if (!this.#isConnecting) return;
      this.#isConnecting = false;
      dial.destroy();
      this.#failures += 1;
      const write = this.#failures === 8 ? log.warn : log.debug;
      write("Cannot reach a router", { replica: peer.podUid, address: peer.address, error: String(why) });
      this.#retry();
    };
    dial.on("upgrade", (_response, socket: Duplex) => {
      if (!this.#isConnecting) socket.destroy();
      else this.#connected(socket);
    });
    dial.on("response", (response) => failed(`status ${response.statusCode}`));
    dial.on("timeout", () => failed("no answer in time"));
    dial.on("error", failed);
    dial.end();
  }

  #connected(socket: Duplex): void {
    const { clock, roster } = this.#parts;
    this.#isConnecting = false;
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    this.#failures = 0;
    this.#connection += 1;
    this.#wire = new PeerWire({
      ...{ socket, clock, schema: answersSchema },
      onMessage: (message) => this.#take(message),
      onClosed: (reason) => this.#lost(reason),
    });
    const known = roster();
    if (known !== undefined) this.tell(known);
  }

  #lost(reason: string): void {
    const { peer, log } = this.#parts;
    this.#wire = undefined;
    for (const call of this.#lentById.takeAll()) call.lose();
    for (const settle of this.#waitingById.takeAll()) settle("lost");
    if (!this.#isClosed) log.debug("Connection to a router is gone", { replica: peer.podUid, reason });
    this.#retry();
  }

  #retry(): void {
    if (this.#isClosed) return;
    const delayMs = backoffMs(reconnectBackoff, this.#failures, this.#parts.draw());
    this.#cancelRetry = this.#parts.clock.schedule(delayMs, () => this.#connect());
  }

  #take(message: Answer | Notice): void {
    if (message.t === "roster") this.#parts.onRoster(message.roster);
    // What was granted in the same line is lent only when its call has heard of it.
    if (message.t === "recall") setImmediate(() => this.#lentById.get(message.id)?.recall());
    if (message.t === "roster" || message.t === "here" || message.t === "recall") return;
    this.#waitingById.take(message.id)?.(toTold(message));
  }
}

function toTold(answer: Exclude<Answer, { t: "recall" }>): Told {
  switch (answer.t) {
    case "granted": {
      const { t: kind, id: _id, ...granted } = answer;
      return { kind, ...granted };
    }
    case "throttled":
      return { kind: "throttled", reason: answer.reason as ThrottleReason };
    case "ended":
      return "ended";
    case "refused": {
      const { refusal, failure } = answer;
      return { kind: "refused", refusal, ...(failure !== undefined && { failure }) };
    }
  }
}
