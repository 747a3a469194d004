import type { Clock } from "../../lib/clock.ts";

export interface LookScheduleOptions {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

/** What began together is not looked at together for ever: up to so much sooner. */
const spread = 0.25;

/** Functions by the time at which they are looked at, if nothing happens to them until then. */
export class LookSchedule {
  readonly #options: LookScheduleOptions;
  readonly #dueMsByUid = new Map<string, number>();

  constructor(options: LookScheduleOptions) {
    this.#options = options;
  }

  /** At the next occasion. */
  soon(uid: string): void {
    this.#dueMsByUid.set(uid, -Infinity);
  }

  allSoon(): void {
    for (const uid of this.#dueMsByUid.keys()) this.soon(uid);
  }

  later(uid: string, afterMs: number): void {
    const { clock, draw } = this.#options;
    this.#dueMsByUid.set(uid, clock.monotonicMs() + afterMs * (1 - spread * draw()));
  }

  forget(uid: string): void {
    this.#dueMsByUid.delete(uid);
  }

  due(): readonly string[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#dueMsByUid].filter(([, dueMs]) => dueMs <= nowMs).map(([uid]) => uid);
  }
}
