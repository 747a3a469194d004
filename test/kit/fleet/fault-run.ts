/** One fleet under steady load, faults one after another, and the record of it all. */
import { FleetLoad, type LoadCall } from "./fleet-load.ts";
import type { Fault, FaultFleet, FaultScene } from "./fault.ts";
import {
  kindOf,
  limitsHeld,
  violations,
  type Held,
  type Limits,
  type LimitWindow,
  type TimeWindow,
} from "./fleet-judge.ts";
import { untilFullUse } from "./full-use.ts";
import { monotonicMs } from "./run-record.ts";

/** What one fault did to the calls. */
export interface FaultRecord {
  readonly name: string;
  readonly routers: number;
  /** From its end until every router serves every function again, ms. */
  readonly recoveredAfterMs: number;
  /** From its beginning until then: the longest time without an answer to anybody, ms. */
  readonly longestGapMs: number;
  readonly served: number;
}

export type FaultRunOptions = Pick<FaultScene<FaultFleet>, "lastMs" | "awayMs">;

export const accountLimit = 5;
export const reserved: Readonly<Record<string, number>> = { hello: 2 };
/** More than may run, and every one of five routers has some. */
const clients = { hello: 3, left: 2, right: 2 };
/** Functions that are called. */
export const names = Object.keys(clients);
const runMs = 30;
/** All that may run at once, of each function and of the account. */
const fullUse = { counts: { hello: 2, left: 2, right: 1 }, runMs: 400, withinMs: 20_000 };
/** A fault that is over sooner may take all of its time. */
const shortMs = 2000;
/** A fault may last minutes: whatever it was, it is over by then. */
const recoverWithinMs = 90_000;

export class FaultRun<Fleet extends FaultFleet, Name extends string> {
  readonly fleet: Fleet;
  readonly records: FaultRecord[] = [];
  readonly #faults: Readonly<Record<Name, Fault<Fleet>>>;
  readonly #options: FaultRunOptions;
  readonly #killed = new Set<string>();
  readonly #windows: LimitWindow[] = [];
  readonly #times: (TimeWindow & { readonly name: Name })[] = [];
  #load: FleetLoad | undefined;
  readonly #ended: LoadCall[] = [];

  /** `fleet`: with all functions and what they need to be called. */
  constructor(fleet: Fleet, faults: Readonly<Record<Name, Fault<Fleet>>>, options: FaultRunOptions) {
    this.fleet = fleet;
    this.#faults = faults;
    this.#options = options;
  }

  async scaleTo(routers: number): Promise<void> {
    await this.#endLoad();
    await this.fleet.scaleTo(routers);
    await this.untilServed();
  }

  /** Brings the fault about under load; resolves when everything is as before, and as many calls can run at once as ever. */
  async suffer(name: Name): Promise<FaultRecord> {
    const { fleet } = this;
    const fault = this.#faults[name];
    // One fault at a time: an account that still goes to another owner cannot be without the API server.
    await fleet.untilRoster(({ replicas }) => replicas.length === fleet.routers.length);
    const load = (this.#load ??= this.#newLoad());
    await load.untilServed(5);
    const [beganMs, servedBefore] = [monotonicMs(), load.served];
    // Also of one that does not come to its end.
    const time = { name, fromMs: beganMs, untilMs: Infinity };
    this.#times.push(time);
    await fault.carryOut({ ...this.#options, fleet, load, killed: this.#killed, windows: this.#windows });
    const endedMs = monotonicMs();
    if (fault.flows === true) this.#mustFlow(load, { name, beganMs, endedMs });
    await fleet.whole();
    await this.untilServed();
    const recoveredMs = monotonicMs();
    const record = {
      name,
      routers: fleet.routers.length,
      recoveredAfterMs: recoveredMs - endedMs,
      longestGapMs: this.#longestGap(load, beganMs, recoveredMs),
      served: load.served - servedBefore,
    };
    this.records.push(record);
    time.untilMs = recoveredMs;
    await this.#endLoad();
    this.#ended.push(...(await untilFullUse(fleet, fullUse)));
    return record;
  }

  /** Ends the load; what must not have been, a sentence each. */
  async judge(): Promise<readonly string[]> {
    await this.#endLoad();
    const evidence = {
      ...{ runs: this.fleet.runs(), limits: this.#limits(), killed: this.#killed, windows: this.#windows },
    };
    const duringAt = (atMs: number): string => {
      const fault = this.#times.find(({ fromMs, untilMs }) => atMs >= fromMs && atMs <= untilMs);
      return fault === undefined
        ? ""
        : ` while ${fault.name} (${Math.round(atMs - fault.fromMs)} ms after its beginning)`;
    };
    return violations({ ...evidence, duringAt, calls: this.calls, losses: this.#losses() });
  }

  /** Of all loads that have ended, and of full use. */
  get calls(): readonly LoadCall[] {
    return this.#ended;
  }

  held(): readonly Held[] {
    return limitsHeld({ runs: this.fleet.runs(), limits: this.#limits() });
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
  }

  /** When environments may have been lost. */
  #losses(): readonly TimeWindow[] {
    return this.#times.filter(({ name }) => this.#faults[name].losesEnvironments === true);
  }

  /** What a reservation does not take for a while others have. */
  #limits(): Limits {
    const hasLowered = this.#times.some(({ name }) => this.#faults[name].lowersLimits === true);
    return {
      reserved,
      account: accountLimit,
      left: hasLowered ? accountLimit : accountLimit - (reserved["hello"] ?? 0),
    };
  }

  /** Every function is served, and nobody waits for half of the fault's time. */
  #mustFlow(load: FleetLoad, { name, beganMs, endedMs }: { name: Name; beganMs: number; endedMs: number }): void {
    const lastedMs = endedMs - beganMs;
    const served = load.calls.filter(({ answer, endedMs: atMs }) => answer?.status === 200 && atMs >= beganMs);
    const problem = (what: string): Error =>
      new Error(`Cannot see calls flow while ${name}, for ${Math.round(lastedMs)} ms: ${what}`);
    for (const function_ of names)
      if (!served.some((call) => call.name === function_))
        throw problem(
          `none of "${function_}" was served, but ${endsOf(load.calls.filter((call) => call.name === function_ && call.endedMs >= beganMs))}`,
        );
    const gapMs = this.#longestGap(load, beganMs, endedMs);
    if (lastedMs > shortMs && gapMs > lastedMs / 2) throw problem(`none was served for ${Math.round(gapMs)} ms`);
  }

  #newLoad(): FleetLoad {
    return new FleetLoad(this.fleet, { clients, runMs });
  }

  async #endLoad(): Promise<void> {
    const load = this.#load;
    this.#load = undefined;
    if (load === undefined) return;
    for (const call of await load.end()) this.#ended.push(call);
  }

  /** Every router serves every function. */
  async untilServed(): Promise<void> {
    const { fleet } = this;
    const untilMs = monotonicMs() + recoverWithinMs;
    for (const router of fleet.routers)
      for (const name of names)
        for (;;) {
          const answer = await fleet.invoke(router, name).catch((error: unknown) => String(error));
          if (typeof answer !== "string" && answer.status === 200) break;
          const last = typeof answer === "string" ? answer : `${answer.status} ${answer.body}`;
          if (monotonicMs() > untilMs)
            throw new Error(`Cannot see "${name}" served by ${router.podName} in ${recoverWithinMs} ms: ${last}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
  }

  #longestGap({ calls }: FleetLoad, fromMs: number, untilMs: number): number {
    const served = calls.filter(
      ({ answer, endedMs }) => answer?.status === 200 && endedMs >= fromMs && endedMs <= untilMs,
    );
    const moments = [fromMs, ...served.map(({ endedMs }) => endedMs).sort((a, b) => a - b), untilMs];
    return moments.reduce((longest, at, place) => Math.max(longest, at - (moments[place - 1] ?? at)), 0);
  }
}

/** How calls ended, and how often. */
function endsOf(calls: readonly LoadCall[]): string {
  return [...Map.groupBy(calls, kindOf)].map(([kind, those]) => `${those.length} × ${kind}`).join(", ");
}
