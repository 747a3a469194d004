import { systemClock, type Clock } from "../../../lib/clock.ts";

/** The machine's clock, which a fault may set: the time of day jumps, and nothing that is measured does. */
export class JumpingClock implements Clock {
  readonly monotonicMs = systemClock.monotonicMs;
  readonly schedule = systemClock.schedule;
  #offsetMs = 0;

  nowMs(): number {
    return systemClock.nowMs() + this.#offsetMs;
  }

  /** Ahead of the machine's by so much from now on. */
  jumpTo(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }
}
