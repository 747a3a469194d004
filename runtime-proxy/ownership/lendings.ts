import { ChurningMap } from "../../lib/churning-map.ts";
import { sleep, type Clock } from "../../lib/clock.ts";

/** A call whose environment its carrier may use again without asking. */
export interface Lending {
  /** No two of an account have the same. */
  readonly number: number;
  readonly functionUid: string;
  /** Settles when it is known whether a call runs there: with its end, or when the carrier says that it uses it. */
  recall(): Promise<void>;
}

/** Where somebody wants for what others have: a call that would wait or be refused. */
export interface Want {
  readonly functionUid: string;
  /** All functions of the account share what is wanted for. */
  readonly isOfAccount: boolean;
}

/** For so long nothing is lent where somebody wanted for it: it would be called back at once. */
const quietMs = 100;
/** A carrier that does not answer is taken to use what it has. */
const recallMs = 1000;

interface FunctionLendings {
  /** Lent, and not known to be in use. */
  out: number;
  quietUntilMs: number;
}

/**
 * What of an account's environments is lent to the replicas that carry its calls. Lent and idle, it holds a slot and an environment that
 * somebody else may want: nobody waits or is refused before it was called back.
 */
export class Lendings {
  readonly #clock: Clock;
  readonly #outByNumber = new ChurningMap<Lending>();
  readonly #byFunction = new Map<string, FunctionLendings>();
  #quietUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mayLend(functionUid: string): boolean {
    const untilMs = Math.max(this.#quietUntilMs, this.#byFunction.get(functionUid)?.quietUntilMs ?? 0);
    return this.#clock.monotonicMs() >= untilMs;
  }

  isOut(functionUid: string): boolean {
    return (this.#byFunction.get(functionUid)?.out ?? 0) > 0;
  }

  add(lending: Lending): void {
    this.#outByNumber.set(lending.number, lending);
    this.#of(lending.functionUid).out += 1;
  }

  /** It has ended, or is in use until it ends. */
  remove({ number }: Pick<Lending, "number">): void {
    const lending = this.#outByNumber.take(number);
    const own = lending === undefined ? undefined : this.#byFunction.get(lending.functionUid);
    if (own !== undefined) own.out -= 1;
  }

  /** Nothing is lent for a while, and what is out is called back: settles when it is known what of it runs. Undefined: nothing is out. */
  want({ functionUid, isOfAccount }: Want): Promise<void> | undefined {
    const untilMs = this.#clock.monotonicMs() + quietMs;
    if (isOfAccount) this.#quietUntilMs = untilMs;
    else this.#of(functionUid).quietUntilMs = untilMs;
    if (isOfAccount ? this.#outByNumber.size === 0 : !this.isOut(functionUid)) return undefined;
    const out = this.#outByNumber.values().filter((lending) => isOfAccount || lending.functionUid === functionUid);
    return this.#callBack(out);
  }

  /** A function that is gone: what is out of it is called back, and it is forgotten when that has come. */
  forget(functionUid: string): void {
    if (!this.#byFunction.has(functionUid)) return;
    const forget = (): void => void this.#byFunction.delete(functionUid);
    const recalled = this.want({ functionUid, isOfAccount: false });
    if (recalled === undefined) forget();
    else void recalled.then(forget);
  }

  async #callBack(out: readonly Lending[]): Promise<void> {
    const ending = new AbortController();
    const limit = sleep(this.#clock, recallMs, ending.signal).catch(() => undefined);
    await Promise.race([Promise.all(out.map((lending) => lending.recall())), limit]);
    ending.abort();
    for (const lending of out) this.remove(lending);
  }

  #of(functionUid: string): FunctionLendings {
    let own = this.#byFunction.get(functionUid);
    if (own === undefined) this.#byFunction.set(functionUid, (own = { out: 0, quietUntilMs: 0 }));
    return own;
  }
}
