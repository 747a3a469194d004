import type { EnvironmentPod } from "../domain/environment.ts";
import { RequestRate } from "../domain/request-rate.ts";
import type { Clock } from "../../lib/clock.ts";

/** How fast a function may get new environments. Source: Lambda developer guide, scaling-behavior: 1,000 in 10 s. */
export interface ScalingRate {
  /** At once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** How many new environments each function may get now. What counts is that one came, not that a call would have liked one. */
export class ScalingRates {
  readonly #rate: ScalingRate | undefined;
  readonly #clock: Clock;
  readonly #byFunction = new Map<string, RequestRate>();

  /** Without a rate nothing is limited. */
  constructor(rate: ScalingRate | undefined, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** One came for calls: what is kept ready has limits of its own. */
  came({ functionUid, provisionedFor }: EnvironmentPod): void {
    if (provisionedFor === undefined) this.#of(functionUid)?.take(this.#clock.monotonicMs());
  }

  /** What came of these functions lately came by their rate, whoever owned them then. */
  adopt(functionUids: Iterable<string>, listed: readonly EnvironmentPod[]): void {
    if (this.#rate === undefined) return;
    for (const uid of functionUids) this.#byFunction.delete(uid);
    const { burst, perSecond } = this.#rate;
    const fromWallMs = this.#clock.monotonicMs() - this.#clock.nowMs();
    const onDemand = listed.filter(({ provisionedFor }) => provisionedFor === undefined);
    for (const [uid, pods] of Map.groupBy(onDemand, ({ functionUid }) => functionUid)) {
      const bornMs = pods.flatMap(({ createdAtMs }) => (createdAtMs === undefined ? [] : [createdAtMs + fromWallMs]));
      bornMs.sort((a, b) => a - b);
      this.#byFunction.set(uid, RequestRate.used(perSecond, burst, bornMs));
    }
  }

  /** Whether that many more may come at this moment. */
  allows(functionUid: string, more: number): boolean {
    const rate = this.#of(functionUid);
    return rate === undefined || rate.available(this.#clock.monotonicMs()) >= more;
  }

  get functionUids(): Iterable<string> {
    return this.#byFunction.keys();
  }

  forget(functionUid: string): void {
    this.#byFunction.delete(functionUid);
  }

  #of(functionUid: string): RequestRate | undefined {
    if (this.#rate === undefined) return undefined;
    const known = this.#byFunction.get(functionUid);
    if (known !== undefined) return known;
    const rate = new RequestRate(this.#rate.perSecond, this.#rate.burst);
    this.#byFunction.set(functionUid, rate);
    return rate;
  }
}
