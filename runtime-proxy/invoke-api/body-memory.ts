import type { Clock } from "../../lib/clock.ts";

export interface BodyMemoryOptions {
  /** Most bytes of request bodies held at once. */
  readonly limitBytes: number;
  /** Most requests that wait for room; one account has half of these places. */
  readonly maxWaiting: number;
  /** Longest wait for room. */
  readonly waitMs: number;
  readonly clock: Clock;
}

/** Room that a request holds; giving it back twice does nothing. */
export interface BodyRoom {
  /** Keeps only this much: the body turned out shorter. */
  shrinkTo(bytes: number): void;
  release(): void;
}

interface Waiting {
  readonly account: string;
  readonly bytes: number;
  readonly resolve: (room: BodyRoom | undefined) => void;
  readonly cancel: () => void;
}

const mostKeptAccounts = 1000;

/** `share`: its account holds as much as all others may still take. `room`: there is none for anybody. */
type Obstacle = "share" | "room" | undefined;

/**
 * One bound for all request bodies together: a request waits its turn for room before a byte of it is read. An account gets no more than
 * it leaves: one alone half of the room, so that whoever floods it holds up nobody else.
 */
export class BodyMemory {
  readonly #options: BodyMemoryOptions;
  readonly #usedByAccount = new Map<string, number>();
  #waiting: readonly Waiting[] = [];
  #usedBytes = 0;

  constructor(options: BodyMemoryOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Room at once, or a promise of it; `undefined` when too many wait or none comes in time. */
  take(bytes: number, account: string): BodyRoom | Promise<BodyRoom | undefined> {
    if (this.#mayPass(account) && this.#obstacle(bytes, account) === undefined) return this.#grant(bytes, account);
    const { maxWaiting, clock, waitMs } = this.#options;
    const own = this.#waiting.filter((waiting) => waiting.account === account).length;
    if (this.#waiting.length >= maxWaiting || own >= Math.ceil(maxWaiting / 2)) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = clock.schedule(waitMs, () => this.#giveUp(waiting));
      const waiting: Waiting = { account, bytes, resolve, cancel };
      this.#waiting = [...this.#waiting, waiting];
    });
  }

  /** Only those are passed who wait for their own account's share. */
  #mayPass(account: string): boolean {
    return this.#waiting.every(
      (waiting) => waiting.account !== account && this.#obstacle(waiting.bytes, waiting.account) === "share",
    );
  }

  /** One body always fits where nothing is held, however small the bound is, and an account's first where there is room. */
  #obstacle(bytes: number, account: string): Obstacle {
    if (this.#usedBytes === 0) return undefined;
    const leftBytes = this.#options.limitBytes - this.#usedBytes - bytes;
    if (leftBytes < 0) return "room";
    const own = this.#usedByAccount.get(account) ?? 0;
    return own > 0 && own + bytes > leftBytes ? "share" : undefined;
  }

  #grant(bytes: number, account: string): BodyRoom {
    let heldBytes = bytes;
    this.#use(bytes, account);
    const shrinkTo = (newBytes: number): void => {
      const freedBytes = Math.max(0, heldBytes - newBytes);
      heldBytes -= freedBytes;
      this.#use(-freedBytes, account);
      if (freedBytes > 0) this.#serve();
    };
    return { shrinkTo, release: () => shrinkTo(0) };
  }

  #use(bytes: number, account: string): void {
    this.#usedBytes += bytes;
    const own = (this.#usedByAccount.get(account) ?? 0) + bytes;
    // An account that comes and goes keeps its place: a Map that is deleted from all the time leaves more behind than that.
    if (own > 0 || this.#usedByAccount.size < mostKeptAccounts) this.#usedByAccount.set(account, own);
    else this.#usedByAccount.delete(account);
  }

  /** In their order, each account by itself: behind one that waits for room nobody goes on, behind one that waits for its share others do. */
  #serve(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    const left: Waiting[] = [];
    const held = new Set<string>();
    let isFull = false;
    for (const next of waiting) {
      const obstacle: Obstacle = isFull || held.has(next.account) ? "share" : this.#obstacle(next.bytes, next.account);
      if (obstacle === undefined) {
        next.cancel();
        next.resolve(this.#grant(next.bytes, next.account));
        continue;
      }
      left.push(next);
      held.add(next.account);
      isFull ||= obstacle === "room";
    }
    this.#waiting = left;
  }

  #giveUp(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    waiting.resolve(undefined);
    this.#serve();
  }
}
