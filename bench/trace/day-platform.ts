/** A day of our own pool and autoscaler: the same decisions as in a cluster, on a clock that jumps, with pods that start after a given time. */
import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import { decideScaling, type EnvironmentSeen } from "../../operator/scaling/decide.ts";
import { functionLoad } from "../../runtime-proxy/domain/demand.ts";
import type { FunctionFacts } from "../../runtime-proxy/domain/function-facts.ts";
import { EnvironmentPool } from "../../runtime-proxy/environments/environment-pool.ts";
import { dayMs, type TracedCall } from "./day.ts";
import type { DayResult } from "./day-result.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface DayPlatformOptions {
  readonly functions: number;
  readonly keepAliveMs: number;
  /** From a pod's creation until its environment is ready. */
  readonly startMs: number;
}

interface Made {
  readonly functionIndex: number;
  readonly madeAtMs: number;
  hasStarted: boolean;
}

const namespace = "default";
const version = "$LATEST";
const revisionID = "r1";
/** A report's way to the operator and a pod's to the API server. */
const reportMs = 5;
/** A router reports once a second; here as often as is enough to let go of what is idle: an environment stands 10 s longer on average. */
const reportEveryMs = 20_000;
const waitMs = 60_000;
const most = 1000;

export async function dayOnPlatform(calls: readonly TracedCall[], options: DayPlatformOptions): Promise<DayResult> {
  const day = new Day(options);
  return await day.run(calls);
}

class Day {
  readonly #options: DayPlatformOptions;
  readonly #clock = new VirtualClock();
  readonly #facts: readonly FunctionFacts[];
  readonly #pool: EnvironmentPool;
  readonly #made = new Map<string, Made>();
  readonly #podUidsByFunction = new Map<number, Set<string>>();
  readonly #asked = new Set<string>();
  readonly #looking = new Set<number>();
  readonly #waitsMs: number[] = [];
  #coldCalls = 0;
  #busyMs = 0;
  #environmentMs = 0;
  #environments = 0;

  constructor(options: DayPlatformOptions) {
    this.#options = options;
    this.#facts = Array.from({ length: options.functions }, (_, i) => factsOf(i));
    const byUid = new Map(this.#facts.map((facts) => [facts.uid, facts]));
    this.#pool = new EnvironmentPool({
      clock: this.#clock,
      functions: {
        findByUid: (uid) => byUid.get(uid),
        findVersion: (uid) => byUid.get(uid),
        versionsOf: (uid) => [...(byUid.has(uid) ? [byUid.get(uid) as FunctionFacts] : [])],
      },
      maxWaiting: most,
    });
    this.#pool.adopt(namespace, { epoch: 1, firstTurn: 1 }, []);
  }

  async run(calls: readonly TracedCall[]): Promise<DayResult> {
    this.#nextCall(calls, 0);
    this.#report();
    await this.#clock.runUntil(dayMs);
    for (const podUid of [...this.#made.keys()]) this.#gone(podUid);
    return {
      waitsMs: this.#waitsMs,
      coldCalls: this.#coldCalls,
      environmentMs: this.#environmentMs,
      busyMs: this.#busyMs,
      environments: this.#environments,
    };
  }

  #nextCall(calls: readonly TracedCall[], index: number): void {
    const call = calls[index];
    if (call === undefined) return;
    this.#clock.schedule(call.atMs - this.#clock.nowMs(), () => {
      this.#call(call, index);
      this.#nextCall(calls, index + 1);
    });
  }

  #call({ functionIndex, atMs, durationMs }: TracedCall, arrival: number): void {
    const functionUid = uidOf(functionIndex);
    const acquired = this.#pool.acquire({ functionUid, version, arrival, deadlineMs: atMs + waitMs });
    const begin = (got: Awaited<typeof acquired>): void => {
      if (!got.ok)
        throw new Error(`Cannot run the day: a call of function ${functionIndex} was refused: ${got.refusal}`);
      this.#waitsMs.push(this.#clock.nowMs() - atMs);
      this.#busyMs += durationMs;
      const { podUid } = got.environment.pod;
      this.#clock.schedule(durationMs, () => this.#pool.free(podUid, "answered"));
    };
    if (!(acquired instanceof Promise)) {
      begin(acquired);
      return;
    }
    this.#coldCalls += 1;
    void acquired.then(begin);
    this.#lookSoon(functionIndex);
  }

  #report(): void {
    for (const functionIndex of [...this.#podUidsByFunction.keys()]) this.#look(functionIndex);
    this.#clock.schedule(reportEveryMs, () => this.#report());
  }

  #lookSoon(functionIndex: number): void {
    if (this.#looking.has(functionIndex)) return;
    this.#looking.add(functionIndex);
    this.#clock.schedule(reportMs, () => {
      this.#looking.delete(functionIndex);
      this.#look(functionIndex);
    });
  }

  /** One pass of the autoscaler for a function: what the router reports, what the operator decides, and what becomes of it. */
  #look(functionIndex: number): void {
    const facts = this.#facts[functionIndex];
    const load = facts === undefined ? undefined : this.#loadOf(facts);
    if (load === undefined) return;
    const own = [...(this.#podUidsByFunction.get(functionIndex) ?? [])];
    const plan = decideScaling({
      isWanted: true,
      target: { revisionID, maxEnvironments: most, keepAliveMs: this.#options.keepAliveMs },
      environments: own.flatMap((uid) => this.#seen(uid)),
      replicas: [
        {
          knowsFunction: true,
          needed: load.needed,
          idleForMsByUid: new Map(load.idle.map(({ podUid, idleForMs }) => [podUid, idleForMs])),
          confirmed: new Set(load.released.filter((uid) => this.#asked.has(uid))),
        },
      ],
      ...{ creating: 0, asked: this.#asked, backOffMs: 0, mayRelease: true, createAtOnce: most },
    });
    for (let i = 0; i < plan.create; i += 1) this.#create(functionIndex);
    for (const uid of plan.remove) this.#gone(uid);
    const isNews = plan.release.some((uid) => !this.#asked.has(uid));
    for (const uid of plan.release) this.#asked.add(uid);
    if (!isNews) return;
    this.#pool.askBack([...this.#asked]);
    this.#lookSoon(functionIndex);
  }

  #loadOf(facts: FunctionFacts): FunctionLoad | undefined {
    const waiting = this.#pool.waiting(facts.uid, version);
    const environments = this.#pool.of(facts.uid);
    const demand = { facts, environments, waiting, listsEnvironments: true, ceiling: most };
    return functionLoad(demand, this.#clock.nowMs());
  }

  #seen(uid: string): EnvironmentSeen | [] {
    const made = this.#made.get(uid);
    if (made === undefined) return [];
    const { madeAtMs, hasStarted } = made;
    return { uid, revisionID, phase: hasStarted ? "running" : "starting", ageMs: this.#clock.nowMs() - madeAtMs };
  }

  #create(functionIndex: number): void {
    this.#environments += 1;
    const podUid = `pod-${this.#environments}`;
    const made: Made = { functionIndex, madeAtMs: this.#clock.nowMs(), hasStarted: false };
    this.#made.set(podUid, made);
    const known = this.#podUidsByFunction.get(functionIndex) ?? new Set();
    this.#podUidsByFunction.set(functionIndex, known.add(podUid));
    const pod = {
      podUid,
      namespace,
      functionUid: uidOf(functionIndex),
      revisionID,
      isTerminating: false,
    };
    this.#pool.putPod(pod);
    this.#clock.schedule(this.#options.startMs, () => {
      if (!this.#made.has(podUid)) return;
      made.hasStarted = true;
      const init = { ok: true, durationMs: 1 };
      this.#pool.announce({ podUid, address: "127.0.0.1:1", state: "ready", sequence: 1, atMs: 1, init });
    });
  }

  #gone(podUid: string): void {
    const made = this.#made.get(podUid);
    if (made === undefined) return;
    this.#made.delete(podUid);
    const others = this.#podUidsByFunction.get(made.functionIndex);
    others?.delete(podUid);
    if (others?.size === 0) this.#podUidsByFunction.delete(made.functionIndex);
    this.#asked.delete(podUid);
    this.#environmentMs += this.#clock.nowMs() - made.madeAtMs;
    this.#pool.removePod(podUid);
  }
}

function uidOf(functionIndex: number): string {
  return `function-${functionIndex}`;
}

function factsOf(functionIndex: number): FunctionFacts {
  const name = uidOf(functionIndex);
  const arn = `arn:aws:lambda:us-east-1:000000000001:function:${name}`;
  return {
    uid: name,
    version,
    namespace,
    objectName: name,
    name,
    arn,
    state: "Active",
    revisionID,
    timeoutSeconds: 60,
  };
}
