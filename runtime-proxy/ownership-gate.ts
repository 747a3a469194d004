import type { AgentRefusal, EnvironmentAnnouncement } from "../crds/wire/environment.ts";
import type { Grant, Position } from "../crds/wire/position.ts";
import type { Clock } from "../lib/clock.ts";
import type { Announcer } from "./announce.ts";
import { grantRefusal, takeClaim } from "./domain/ownership/gate.ts";

/** What routers are told of the environment itself. */
export type EnvironmentNow = Pick<EnvironmentAnnouncement, "address" | "state" | "init"> & {
  readonly isRunning: boolean;
};

export interface OwnershipGateParts {
  readonly podUid: string;
  /** Of the roster that it was born under. */
  readonly epoch: number;
  readonly announcer: Pick<Announcer, "announce" | "keepTelling" | "setOwner">;
  readonly clock: Clock;
  readonly environment: () => EnvironmentNow;
}

/** So long after its last call an environment tells its owner again and again how it is; later the owner asks first. */
const renewForMs = 60_000;

/** The agent's half of ownership: whose word it goes by, which calls that lets in, and what routers hear of the environment. */
export class OwnershipGate {
  readonly #parts: OwnershipGateParts;
  /** What has been seen last of owners. */
  #position: Position;
  #sequence = 0;
  /** The owner has been told that a call runs: it waits to hear of its end. */
  #hasToldBusy = false;
  #calledAtMs = -Infinity;

  constructor(parts: OwnershipGateParts) {
    this.#parts = parts;
    this.#position = { epoch: parts.epoch, turn: 0 };
  }

  /** Of the newest roster that has been heard of. */
  get epoch(): number {
    return this.#position.epoch;
  }

  /** As if the environment had been made under that roster. */
  putUnder(epoch: number): void {
    if (epoch > this.#position.epoch) this.#position = { epoch, turn: 0 };
  }

  claim(position: Position, owner: string): void {
    const taken = takeClaim(this.#position, position);
    if (taken === undefined) return;
    this.#position = { epoch: taken.epoch, turn: taken.turn };
    if (owner !== "") this.#parts.announcer.setOwner({ epoch: position.epoch, address: owner });
  }

  /** Why a call with this grant may not enter now. */
  refusal(grant: Grant | undefined): AgentRefusal | undefined {
    const refusal = grantRefusal(this.#position, grant, this.#parts.clock.monotonicMs());
    if (refusal === undefined) return undefined;
    const why = refusal === "silent" ? "its owner's word is too old" : "a newer word of its owner is here";
    return { code: "Stale", message: `Cannot invoke: the environment does not take this grant: ${why}` };
  }

  /** A call was let in: its grant is used up. */
  callBegins(grant: Grant | undefined): void {
    if (grant !== undefined) this.#position = { epoch: grant.epoch, turn: grant.turn };
    this.#keepTelling();
  }

  /** A call has its answer; true: whoever was told that it runs is to hear of it. */
  callEnds(): boolean {
    const hasToldBusy = this.#hasToldBusy;
    this.#hasToldBusy = false;
    return hasToldBusy;
  }

  announcement(): EnvironmentAnnouncement {
    const { podUid, clock, environment } = this.#parts;
    const now = environment();
    this.#hasToldBusy ||= now.isRunning;
    const [sequence, position] = [this.#sequence, this.#position];
    return { podUid, ...now, sequence, position, atMs: Math.floor(clock.monotonicMs()) };
  }

  /** Something has changed: all routers are told. */
  announce(): void {
    this.#sequence += 1;
    if (this.#calledAtMs < 0 && this.#parts.environment().init !== undefined) this.#keepTelling();
    this.#parts.announcer.announce(this.announcement());
  }

  /** Once in a while, as long as calls came lately: the owner's word is only as young as what it has heard of us. */
  renewal(): EnvironmentAnnouncement | undefined {
    if (this.#parts.clock.monotonicMs() - this.#calledAtMs > renewForMs) return undefined;
    this.#sequence += 1;
    return this.announcement();
  }

  #keepTelling(): void {
    this.#calledAtMs = this.#parts.clock.monotonicMs();
    this.#parts.announcer.keepTelling();
  }
}
