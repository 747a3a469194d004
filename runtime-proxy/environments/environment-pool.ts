import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import type { Clock } from "../../lib/clock.ts";
import {
  EnvironmentRegistry,
  isReleased,
  type Environment,
  type EnvironmentPod,
  type UseEnd,
} from "../domain/environment.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { WaitingQueue } from "../domain/waiting-queue.ts";

/** `functionGone` and `functionFailed`: the function changed while the call waited. */
export type AcquireRefusal = "queueFull" | "timedOut" | "functionGone" | "functionFailed";

export type Acquired =
  | { readonly ok: true; readonly environment: Environment & { readonly address: string } }
  | { readonly ok: false; readonly refusal: AcquireRefusal };

/** A call that wants an environment. Tried again, it comes with the same `arrival` and deadline. */
export interface EnvironmentRequest {
  readonly functionUid: string;
  readonly arrival: number;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
}

export interface EnvironmentPoolOptions {
  readonly clock: Clock;
  /** The function as it stands now. */
  readonly findFunction: (uid: string) => FunctionFacts | undefined;
  /** Most calls of one function that wait at once. */
  readonly maxWaiting: number;
}

export interface PoolListener {
  /** Something that the operator should know at once: a call waits, or an environment was given back or failed. */
  readonly onUrgent: () => void;
  /** An environment came, went or changed other than by use. */
  readonly onChanged: (podUid: string) => void;
}

interface WaitingCall extends EnvironmentRequest {
  readonly resolve: (acquired: Acquired) => void;
  readonly cancelDeadline: () => void;
}

/** Hands environments out, one call each; calls for which there is none wait, in order. Every request gets exactly one answer. */
export class EnvironmentPool {
  readonly #options: EnvironmentPoolOptions;
  readonly #registry = new EnvironmentRegistry();
  readonly #waitingByFunction = new Map<string, WaitingQueue<WaitingCall>>();
  readonly #failureByFunction = new Map<
    string,
    { revisionID: string; failure: NonNullable<FunctionLoad["failure"]> }
  >();
  #listeners: readonly PoolListener[] = [];

  constructor(options: EnvironmentPoolOptions) {
    this.#options = options;
  }

  listen(listener: PoolListener): void {
    this.#listeners = [...this.#listeners, listener];
  }

  get(podUid: string): Environment | undefined {
    return this.#registry.get(podUid);
  }

  of(functionUid: string): Iterable<Environment> {
    return this.#registry.of(functionUid);
  }

  unsettled(): Iterable<Environment> {
    return this.#registry.unsettled();
  }

  waiting(functionUid: string): number {
    return this.#waitingByFunction.get(functionUid)?.size ?? 0;
  }

  /** The newest failed init of the function's current revision that nothing has overcome since. */
  failure(facts: FunctionFacts): FunctionLoad["failure"] {
    const known = this.#failureByFunction.get(facts.uid);
    return known?.revisionID === facts.revisionID ? known?.failure : undefined;
  }

  /** An environment of the function's current revision: at once when one is idle and nobody waits before, else a promise. */
  acquire(request: EnvironmentRequest): Acquired | Promise<Acquired> {
    const queue = this.#waitingByFunction.get(request.functionUid);
    if (queue === undefined) {
      const environment = this.#pick(request.functionUid);
      if (environment !== undefined) return { ok: true, environment };
    }
    if ((queue?.size ?? 0) >= this.#options.maxWaiting) return { ok: false, refusal: "queueFull" };
    return this.#wait(request);
  }

  /** Ends the use of an environment; the next waiting call gets it. */
  free(podUid: string, end: UseEnd): void {
    const environment = this.#registry.get(podUid);
    if (environment === undefined) return;
    this.#registry.free(podUid, end, this.#options.clock.monotonicMs());
    if (end !== "answered") this.#tellChanged(podUid);
    if (isReleased(environment)) this.#tellUrgent();
    this.#serve(environment.pod.functionUid);
  }

  putPod(pod: EnvironmentPod): void {
    this.#registry.putPod(pod);
    this.#tellChanged(pod.podUid);
  }

  removePod(podUid: string): void {
    const environment = this.#registry.get(podUid);
    if (environment === undefined) return;
    this.#registry.removePod(podUid);
    this.#tellChanged(podUid);
    if (this.waiting(environment.pod.functionUid) > 0) this.#tellUrgent();
  }

  announce(announcement: EnvironmentAnnouncement): "stored" | "stale" | "unknownPod" {
    const result = this.#registry.announce(announcement, this.#options.clock.monotonicMs());
    const pod = this.#registry.get(announcement.podUid)?.pod;
    if (result !== "stored" || pod === undefined) return result;
    this.#noteInit(pod, announcement.init);
    this.#tellChanged(pod.podUid);
    this.#serve(pod.functionUid);
    return result;
  }

  /** Takes over the whole set that the operator wants back. */
  askBack(podUids: readonly string[]): void {
    const wanted = new Set(podUids);
    const isNews = podUids.some((podUid) => this.#registry.get(podUid)?.isAskedBack === false);
    this.#registry.askBack(wanted);
    for (const functionUid of this.#waitingByFunction.keys()) this.#serve(functionUid);
    if (isNews) this.#tellUrgent();
  }

  /** A changed function serves or ends its waiting calls; they get environments of the new revision only. */
  functionChanged(uid: string): void {
    const facts = this.#options.findFunction(uid);
    if (facts === undefined) {
      this.#failureByFunction.delete(uid);
      this.#refuseAll(uid, "functionGone");
    } else if (facts.state === "Failed") this.#refuseAll(uid, "functionFailed");
    else this.#serve(uid);
    if (this.waiting(uid) > 0) this.#tellUrgent();
  }

  #pick(functionUid: string): (Environment & { readonly address: string }) | undefined {
    const revisionID = this.#options.findFunction(functionUid)?.revisionID;
    if (revisionID === undefined) return undefined;
    const environment = this.#registry.pick(functionUid, revisionID);
    // An idle environment has an address: `isIdle` demands it.
    return environment as (Environment & { readonly address: string }) | undefined;
  }

  #wait(request: EnvironmentRequest): Promise<Acquired> {
    const { clock } = this.#options;
    const { functionUid, deadlineMs } = request;
    return new Promise((resolve) => {
      const cancelDeadline = clock.schedule(deadlineMs - clock.monotonicMs(), () => this.#giveUp(call));
      const call: WaitingCall = { ...request, resolve, cancelDeadline };
      const queue = this.#waitingByFunction.get(functionUid) ?? new WaitingQueue<WaitingCall>();
      this.#waitingByFunction.set(functionUid, queue);
      queue.add(call);
      // A call that came back from a refusal may find one that came free for nobody.
      this.#serve(functionUid);
      if (queue.size > 0) this.#tellUrgent();
    });
  }

  #serve(functionUid: string): void {
    const queue = this.#waitingByFunction.get(functionUid);
    if (queue === undefined) return;
    while (queue.size > 0) {
      const environment = this.#pick(functionUid);
      if (environment === undefined) return;
      this.#end(queue.takeFirst(), { ok: true, environment });
    }
    this.#waitingByFunction.delete(functionUid);
  }

  #giveUp(call: WaitingCall): void {
    const queue = this.#waitingByFunction.get(call.functionUid);
    if (queue?.remove(call) !== true) return;
    if (queue.size === 0) this.#waitingByFunction.delete(call.functionUid);
    this.#end(call, { ok: false, refusal: "timedOut" });
  }

  #refuseAll(functionUid: string, refusal: AcquireRefusal): void {
    const queue = this.#waitingByFunction.get(functionUid);
    this.#waitingByFunction.delete(functionUid);
    for (const call of queue?.takeAll() ?? []) this.#end(call, { ok: false, refusal });
  }

  #end(call: WaitingCall | undefined, acquired: Acquired): void {
    call?.cancelDeadline();
    call?.resolve(acquired);
  }

  #noteInit({ podUid, functionUid, revisionID }: EnvironmentPod, init: EnvironmentAnnouncement["init"]): void {
    if (init === undefined) return;
    const known = this.#failureByFunction.get(functionUid);
    if (init.ok) {
      if (known?.revisionID === revisionID) this.#failureByFunction.delete(functionUid);
      return;
    }
    if (this.#options.findFunction(functionUid)?.revisionID !== revisionID) return;
    const { errorType = "Unknown", errorMessage = "" } = init;
    this.#failureByFunction.set(functionUid, { revisionID, failure: { podUid, errorType, errorMessage } });
    this.#tellUrgent();
  }

  #tellUrgent(): void {
    for (const listener of this.#listeners) listener.onUrgent();
  }

  #tellChanged(podUid: string): void {
    for (const listener of this.#listeners) listener.onChanged(podUid);
  }
}
