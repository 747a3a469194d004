import type { Clock } from "../lib/clock.ts";

export interface MemoryBudgetOptions {
  /** Most bytes held at once. */
  readonly limitBytes: number;
  /** Most that wait for room; one account has half of these places. */
  readonly maxWaiting: number;
  /** Longest wait for room. */
  readonly waitMs: number;
  readonly clock: Clock;
}

/** Room for one body; giving it back twice does nothing. */
export interface MemoryRoom {
  /** Keeps only this much: the body turned out shorter. */
  shrinkTo(bytes: number): void;
  /** From now on it counts as this account's: at once, or a promise of it; false, and as before, when too many wait or its share is full for too long. */
  chargeTo(account: string): true | Promise<boolean>;
  release(): void;
}

interface Ask {
  readonly account: string;
  readonly bytes: number;
  /** What all together hold more of then: nothing where the room is held already. */
  readonly addedBytes: number;
}

interface Waiting extends Ask {
  readonly settle: (isGranted: boolean) => void;
  readonly cancel: () => void;
}

const mostKeptAccounts = 1000;

/** `share`: its account holds as much as all others may still take. `room`: there is none for anybody. */
type Obstacle = "share" | "room" | undefined;

/**
 * One bound for all bodies together, of requests or of answers: each waits its turn for room before it is read. An account gets no more
 * than it leaves: one alone half of the room, so that whoever floods it holds up nobody else.
 */
export class MemoryBudget {
  readonly #options: MemoryBudgetOptions;
  readonly #usedByAccount = new Map<string, number>();
  #waiting: readonly Waiting[] = [];
  #usedBytes = 0;

  constructor(options: MemoryBudgetOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Room at once, or a promise of it; `undefined` when too many wait or none comes in time. */
  take(bytes: number, account: string): MemoryRoom | Promise<MemoryRoom | undefined> {
    const ask = { account, bytes, addedBytes: bytes };
    if (this.#isFree(ask)) return this.#grant(bytes, account);
    return new Promise((resolve) => {
      this.#wait(ask, (isGranted) => resolve(isGranted ? this.#grant(bytes, account) : undefined));
    });
  }

  #isFree(ask: Ask): boolean {
    return this.#mayPass(ask) && this.#obstacle(ask) === undefined;
  }

  #wait(ask: Ask, settle: Waiting["settle"]): void {
    const { maxWaiting, clock, waitMs } = this.#options;
    const own = this.#waiting.filter((waiting) => waiting.account === ask.account).length;
    if (this.#waiting.length >= maxWaiting || own >= Math.ceil(maxWaiting / 2)) {
      settle(false);
      return;
    }
    const cancel = clock.schedule(waitMs, () => this.#giveUp(waiting));
    const waiting: Waiting = { ...ask, settle, cancel };
    this.#waiting = [...this.#waiting, waiting];
  }

  /** Only those are passed who wait for their own account's share; by who holds its room already, all who wait for room: it may be that one. */
  #mayPass({ account, addedBytes }: Ask): boolean {
    return this.#waiting.every((waiting) => {
      if (addedBytes === 0 && waiting.addedBytes > 0) return true;
      return waiting.account !== account && this.#obstacle(waiting) === "share";
    });
  }

  /** One body always fits where nothing is held, however small the bound is, and an account's first where there is room. */
  #obstacle({ account, bytes, addedBytes }: Ask): Obstacle {
    if (this.#usedBytes === 0) return undefined;
    const leftBytes = this.#options.limitBytes - this.#usedBytes - addedBytes;
    if (addedBytes > 0 && leftBytes < 0) return "room";
    const own = this.#usedByAccount.get(account) ?? 0;
    return own > 0 && own + bytes > leftBytes ? "share" : undefined;
  }

  #grant(bytes: number, account: string): MemoryRoom {
    let heldBytes = bytes;
    let holder = account;
    this.#use(bytes, account);
    const shrinkTo = (newBytes: number): void => {
      const freedBytes = Math.max(0, heldBytes - newBytes);
      heldBytes -= freedBytes;
      this.#use(-freedBytes, holder);
      if (freedBytes > 0) this.#serve();
    };
    const move = (to: string): void => {
      this.#use(-heldBytes, holder);
      holder = to;
      this.#use(heldBytes, holder);
    };
    return {
      shrinkTo,
      release: () => shrinkTo(0),
      chargeTo: (to) => {
        if (to === holder) return true;
        const ask = { account: to, bytes: heldBytes, addedBytes: 0 };
        if (this.#isFree(ask)) {
          move(to);
          this.#serve();
          return true;
        }
        return new Promise((resolve) => {
          this.#wait(ask, (isGranted) => {
            if (isGranted) move(to);
            resolve(isGranted);
          });
        });
      },
    };
  }

  #use(bytes: number, account: string): void {
    this.#usedBytes += bytes;
    const own = (this.#usedByAccount.get(account) ?? 0) + bytes;
    // An account that comes and goes keeps its place: a Map that is deleted from all the time leaves more behind than that.
    if (own > 0 || this.#usedByAccount.size < mostKeptAccounts) this.#usedByAccount.set(account, own);
    else this.#usedByAccount.delete(account);
  }

  /** First who holds its room already; then in their order, each account by itself: behind one that waits for room nobody goes on, behind one that waits for its share others do. */
  #serve(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    const left: Waiting[] = [];
    const held = new Set<string>();
    let isFull = false;
    let hasMoved = false;
    const holding = waiting.filter(({ addedBytes }) => addedBytes === 0);
    for (const next of [...holding, ...waiting.filter(({ addedBytes }) => addedBytes > 0)]) {
      const obstacle: Obstacle = isFull || held.has(next.account) ? "share" : this.#obstacle(next);
      if (obstacle === undefined) {
        next.cancel();
        next.settle(true);
        hasMoved ||= next.addedBytes === 0;
        continue;
      }
      left.push(next);
      held.add(next.account);
      isFull ||= obstacle === "room";
    }
    this.#waiting = left;
    // Whose room has become another's has a share again.
    if (hasMoved) this.#serve();
  }

  #giveUp(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    waiting.settle(false);
    this.#serve();
  }
}
