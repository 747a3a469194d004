import type { Clock } from "../lib/clock.ts";
import { giveMemoryBack, IdleMemory } from "../lib/idle-memory.ts";

export interface RouterMemoryParts {
  readonly clock: Clock;
  /** Calls that run now. */
  readonly running: () => number;
  /** A number that is another after anything was done: calls carried, environments and functions that changed. */
  readonly workDone: () => number;
  /** Of the whole process, as the system counts it. */
  readonly residentBytes: () => number;
  readonly giveBack?: () => void;
}

const lookEveryMs = 5000;
/** Between two calls of somebody who calls now and then there is no time for it: a collection takes some 100 ms. */
const quietMs = 30_000;
/** Less than this is not worth a collection. */
const worthBytes = 32 * 1024 * 1024;

/**
 * Gives back what a router took in a burst, once nothing has happened for a while: V8 keeps it by itself for as long as nothing does. Looks now and
 * then instead of being told, so that a call pays nothing for it.
 */
export class RouterMemory {
  readonly #parts: RouterMemoryParts;
  readonly #memory: IdleMemory;
  #workDone = -1;
  #restingBytes = 0;
  #cancel: () => void = () => undefined;

  constructor(parts: RouterMemoryParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#memory = new IdleMemory({
      ...{ clock, quietMs },
      isIdle: () => !this.#isBusy() && this.#isWorth(),
      giveBack: () => this.#giveBack(),
    });
  }

  start(): void {
    this.#isBusy();
    this.#cancel = this.#parts.clock.schedule(lookEveryMs, () => this.start());
  }

  stop(): void {
    this.#cancel();
    this.#memory.stop();
  }

  /** Something runs, or was done since the last look: then it is to be quiet anew. */
  #isBusy(): boolean {
    const { running, workDone } = this.#parts;
    const before = this.#workDone;
    this.#workDone = workDone();
    const isBusy = running() > 0 || this.#workDone !== before;
    if (isBusy) this.#memory.used();
    return isBusy;
  }

  #isWorth(): boolean {
    return this.#parts.residentBytes() - this.#restingBytes >= worthBytes;
  }

  #giveBack(): void {
    const { giveBack = giveMemoryBack, residentBytes } = this.#parts;
    giveBack();
    this.#restingBytes = residentBytes();
  }
}
