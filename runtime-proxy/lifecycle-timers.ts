import type { Clock } from "../lib/clock.ts";
import type { TimerName } from "./domain/lifecycle/state.ts";

/** The lifecycle's timers, one of a name. */
export class LifecycleTimers {
  readonly #clock: Clock;
  readonly #onDue: (name: TimerName) => void;
  /** By their name, undefined where none is set: a Map that is deleted from with every call leaves its old tables behind. */
  readonly #set: Partial<Record<TimerName, { readonly cancel: () => void; readonly dueMs: number } | undefined>> = {};

  constructor(clock: Clock, onDue: (name: TimerName) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Replaces the one of this name. */
  set(name: TimerName, ms: number): void {
    this.cancel(name);
    const cancel = this.#clock.schedule(ms, () => {
      this.#set[name] = undefined;
      this.#onDue(name);
    });
    this.#set[name] = { cancel, dueMs: this.#clock.nowMs() + ms };
  }

  cancel(name: TimerName): void {
    this.#set[name]?.cancel();
    this.#set[name] = undefined;
  }

  /** When it will be due, ms since 1970; now when it is not set. */
  dueMs(name: TimerName): number {
    return this.#set[name]?.dueMs ?? this.#clock.nowMs();
  }
}
