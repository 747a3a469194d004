import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import type { Grant, Position } from "../../crds/wire/position.ts";
import type { Clock } from "../../lib/clock.ts";
import {
  EnvironmentRegistry,
  isInDoubt,
  isReleased,
  type Environment,
  type EnvironmentPod,
  type RegistryOptions,
  type Tenure,
  type UseEnd,
} from "../domain/environment.ts";
import { isToBeMended, type FunctionDirectory, type FunctionFacts } from "../domain/function-facts.ts";
import { InitFailures, type InitFailure } from "./init-failures.ts";
import { ScalingRates, type ScalingRate } from "./scaling-rates.ts";
import { WaitingCalls, type QueueName, type Waiting } from "./waiting-calls.ts";

/**
 * `functionGone` and `functionFailed`: the function changed while the call waited. `scalingRate`: it would take one more new environment
 * than may come now. `moved`: another replica owns the account from now on.
 */
export type AcquireRefusal = "queueFull" | "timedOut" | "functionGone" | "functionFailed" | "scalingRate" | "moved";

export type Acquired =
  | { readonly ok: true; readonly environment: Environment & { readonly address: string }; readonly grant: Grant }
  | { readonly ok: false; readonly refusal: AcquireRefusal };

/** A call that wants an environment. Tried again, it comes with the same `arrival` and deadline. */
export interface EnvironmentRequest extends Waiting {
  /** An environment that it was given did not take it. */
  readonly isRetry?: boolean;
}

export interface EnvironmentPoolOptions extends RegistryOptions {
  readonly clock: Clock;
  /** Functions and their versions as they stand now. */
  readonly functions: Pick<FunctionDirectory, "findByUid" | "findVersion" | "versionsOf">;
  /** Most calls of one version that wait at once. */
  readonly maxWaiting: number;
  /** An environment that was not heard for longer is asked before it gets a call: it would not take one. Absent: never. */
  readonly freshForMs?: number;
  /** Absent: no limit. */
  readonly scalingRate?: ScalingRate;
}

export interface PoolListener {
  /** Something that the operator should know at once: a call waits, or an environment was given back or failed. */
  readonly onUrgent: () => void;
  /** An environment came, went or changed other than by use. */
  readonly onChanged: (podUid: string) => void;
}

/** So long a call waits for somebody to mend what its function lacks. */
const mendingMs = 10_000;

/** Hands environments out, one call each; calls for which there is none wait, in order. Every request gets exactly one answer. */
export class EnvironmentPool {
  readonly #options: EnvironmentPoolOptions;
  readonly #registry: EnvironmentRegistry;
  readonly #scaling: ScalingRates;
  readonly #waiting: WaitingCalls<EnvironmentRequest, Acquired>;
  readonly #failures = new InitFailures();
  /** Versions whose calls are about to be told that they wait in vain. */
  readonly #hastened = new Set<string>();
  #touched = new Set<string>();
  #touches = 0;
  #listeners: readonly PoolListener[] = [];

  constructor(options: EnvironmentPoolOptions) {
    this.#options = options;
    this.#scaling = new ScalingRates(options.scalingRate, options.clock);
    this.#waiting = new WaitingCalls<EnvironmentRequest, Acquired>({
      clock: options.clock,
      timedOut: { ok: false, refusal: "timedOut" },
      onChanged: ({ functionUid }) => this.#touch(functionUid),
    });
    this.#registry = new EnvironmentRegistry({ ...options, onTouched: (functionUid) => this.#touch(functionUid) });
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

  owns(namespace: string): boolean {
    return this.#registry.owns(namespace);
  }

  /** Begins to give an account's environments out; whatever was listed counts as running until it is heard. */
  adopt(namespace: string, tenure: Tenure, listed: readonly EnvironmentPod[]): void {
    const ours = listed.filter((pod) => !this.#isForeign(pod));
    this.#registry.adopt(namespace, tenure, ours, this.#options.clock.monotonicMs());
    const { functions } = this.#options;
    const own = [...this.#scaling.functionUids].filter((uid) => functions.findByUid(uid)?.namespace === namespace);
    this.#scaling.adopt(own, ours);
    for (const { pod } of [...this.#registry.unsettled(namespace)]) this.#tellChanged(pod.podUid);
  }

  renew(namespace: string, epoch: number): void {
    this.#registry.renew(namespace, epoch);
  }

  drop(namespace: string): void {
    this.#registry.drop(namespace);
  }

  /** Where a claim puts an environment. */
  claimOf(podUid: string): Position | undefined {
    return this.#registry.claimOf(podUid);
  }

  /** Its agent does not answer for a while. */
  miss(podUid: string): void {
    const environment = this.#registry.get(podUid);
    if (environment === undefined || environment.isUnreachable) return;
    this.#registry.miss(podUid);
    if (this.waitingOf(environment.pod.functionUid) > 0) this.#tellUrgent();
  }

  /** Any environment of the account is there. */
  has(namespace: string): boolean {
    return this.#registry.has(namespace);
  }

  /** Environments that should be asked how they are: of one account, or of all that are owned. */
  unsettled(namespace?: string): Iterable<Environment> {
    return this.#registry.unsettled(namespace);
  }

  /** An idle environment is kept ready for the version. */
  hasProvisioned(functionUid: string, version: string): boolean {
    return this.#registry.hasProvisioned(functionUid, version);
  }

  /** Calls that wait for an environment of one version to be made. */
  waiting(functionUid: string, version: string): number {
    return this.#waiting.size(functionUid, { version });
  }

  /** Functions of which a report would say something else than when this was asked last. */
  takeTouched(): ReadonlySet<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** How often anything has changed. */
  get touches(): number {
    return this.#touches;
  }

  /** Functions that calls wait for. */
  waitingFunctions(): Iterable<string> {
    return this.#waiting.functions();
  }

  /** Calls that wait for any version of a function. */
  waitingOf(functionUid: string): number {
    return this.#waiting.sizeOf(functionUid);
  }

  /** The newest failed init of the version's current revision that nothing has overcome since. */
  failure({ uid, revisionID = "" }: FunctionFacts): InitFailure | undefined {
    return this.#failures.of(uid, revisionID);
  }

  /** An environment of the version's current revision: at once when one is idle and nobody waits before, else a promise. */
  acquire(request: EnvironmentRequest): Acquired | Promise<Acquired> {
    const { functionUid } = request;
    const waiting = this.#waiting.size(functionUid, request);
    if (waiting === 0) {
      const acquired = this.#pick(functionUid, request);
      if (acquired !== undefined) return acquired;
    }
    if (waiting >= this.#options.maxWaiting) return { ok: false, refusal: "queueFull" };
    const isNew = request.isRetry !== true && request.isProvisioned !== true;
    if (isNew && !this.#mayScale(request)) return { ok: false, refusal: "scalingRate" };
    return this.#wait(request);
  }

  /** `acquire` would give one at once. */
  hasFree({ functionUid, version, isProvisioned }: Omit<EnvironmentRequest, "arrival" | "deadlineMs">): boolean {
    if (this.#waiting.size(functionUid, { version, isProvisioned }) > 0) return false;
    if (isProvisioned === true) return this.#registry.hasProvisioned(functionUid, version);
    const { revisionID, configurationID } = this.#options.functions.findVersion(functionUid, version) ?? {};
    return revisionID !== undefined && this.#registry.hasIdle(functionUid, revisionID, configurationID);
  }

  /** Whoever has the environment now may use it so many times more, one after another. */
  lend(podUid: string, further: number): void {
    this.#registry.lend(podUid, further);
  }

  /** Ends the wait of a request with this refusal; nothing happens when it waits no more. */
  refuse(request: EnvironmentRequest, refusal: AcquireRefusal): void {
    this.#waiting.end(request, { ok: false, refusal });
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

  /** A pod that its labels give to a function of another namespace is none of it: anybody can write labels. */
  putPod(pod: EnvironmentPod): void {
    if (this.#isForeign(pod)) {
      this.removePod(pod.podUid);
      return;
    }
    if (this.#registry.get(pod.podUid) === undefined) this.#scaling.came(pod);
    this.#registry.putPod(pod);
    this.#tellChanged(pod.podUid);
  }

  removePod(podUid: string): void {
    const environment = this.#registry.get(podUid);
    if (environment === undefined) return;
    this.#registry.removePod(podUid);
    this.#tellChanged(podUid);
    if (this.waitingOf(environment.pod.functionUid) > 0) this.#tellUrgent();
  }

  announce(announcement: EnvironmentAnnouncement): "stored" | "stale" | "unknownPod" {
    const environment = this.#registry.get(announcement.podUid);
    const wasInDoubt = environment !== undefined && isInDoubt(environment);
    const result = this.#registry.announce(announcement, this.#options.clock.monotonicMs());
    if (result !== "stored" || environment === undefined) return result;
    const { pod } = environment;
    this.#noteInit(pod, announcement.init);
    this.#tellChanged(pod.podUid);
    this.#serve(pod.functionUid);
    // It runs somebody's call: who waited for its word needs another.
    const isTaken = wasInDoubt && environment.mayRun && !isInDoubt(environment);
    if (isTaken && this.waitingOf(pod.functionUid) > 0) this.#tellUrgent();
    return result;
  }

  /** Takes over the whole set that the operator wants back. */
  askBack(podUids: readonly string[]): void {
    const { isAsked, isGivenBack } = this.#registry.askBack(new Set(podUids));
    if (isGivenBack) for (const functionUid of this.#waiting.functions()) this.#serve(functionUid);
    if (isAsked) this.#tellUrgent();
  }

  /** A changed function serves or ends its waiting calls; they get environments of the new revision only. */
  functionChanged(uid: string): void {
    const { functions } = this.#options;
    // Pods may show before their function does.
    for (const { pod } of [...this.of(uid)]) if (this.#isForeign(pod)) this.removePod(pod.podUid);
    if (functions.findByUid(uid) === undefined) {
      this.#failures.forget(uid);
      this.#scaling.forget(uid);
    }
    for (const queue of this.#waiting.queues(uid)) {
      const facts = functions.findVersion(uid, queue.version);
      if (facts === undefined) {
        this.#refuseAll(uid, queue, "functionGone");
        this.#waiting.forget(uid, queue);
      } else if (facts.state === "Failed") this.#refuseAll(uid, queue, "functionFailed");
      // Nothing is kept ready any more: whoever waits for it is admitted anew.
      else if (queue.isProvisioned && !this.#isKept(uid, queue.version)) this.#refuseAll(uid, queue, "moved");
      else this.#hasten(facts);
    }
    this.#serve(uid);
    if (this.waitingOf(uid) > 0) this.#tellUrgent();
  }

  #isForeign({ functionUid, namespace }: EnvironmentPod): boolean {
    const facts = this.#options.functions.findByUid(functionUid);
    return facts !== undefined && facts.namespace !== namespace;
  }

  #touch(functionUid: string): void {
    this.#touches += 1;
    this.#touched.add(functionUid);
  }

  #isKept(functionUid: string, version: string): boolean {
    return (this.#options.functions.findByUid(functionUid)?.provisioned?.[version]?.usable ?? 0) > 0;
  }

  #pick(functionUid: string, { version, isProvisioned }: QueueName): Acquired | undefined {
    const { revisionID, configurationID } = this.#options.functions.findVersion(functionUid, version) ?? {};
    if (revisionID === undefined) return undefined;
    const { freshForMs = Infinity, clock } = this.#options;
    const heardSinceMs = clock.monotonicMs() - freshForMs;
    const picked = { functionUid, version, revisionID, configurationID };
    const environment =
      isProvisioned === true
        ? this.#registry.pickProvisioned(picked, heardSinceMs)
        : this.#registry.pick(picked, heardSinceMs);
    if (environment === undefined) return undefined;
    if (environment.heardAtMs < heardSinceMs) {
      this.#registry.free(environment.pod.podUid, "stale", clock.monotonicMs());
      this.#tellChanged(environment.pod.podUid);
      return undefined;
    }
    // An idle environment has an address: `isIdle` demands it.
    const addressed = environment as Environment & { readonly address: string };
    return { ok: true, environment: addressed, grant: this.#registry.grantOf(environment) };
  }

  /** Of the calls that would wait with this one, those for which nothing starts already need as many new environments. */
  #mayScale({ functionUid, version }: EnvironmentRequest): boolean {
    if (this.#options.scalingRate === undefined) return true;
    const starting = new Map<string, number>();
    for (const environment of this.#registry.of(functionUid)) {
      const { revisionID } = environment.pod;
      if (mayComeFree(environment)) starting.set(revisionID, (starting.get(revisionID) ?? 0) + 1);
    }
    const wanted = (name: string, waiting: number): number => {
      const revisionID = this.#options.functions.findVersion(functionUid, name)?.revisionID ?? "";
      return Math.max(0, waiting - (starting.get(revisionID) ?? 0));
    };
    let all = wanted(version, this.waiting(functionUid, version) + 1);
    if (all === 0) return true;
    for (const queue of this.#waiting.queues(functionUid))
      if (queue.version !== version && !queue.isProvisioned)
        all += wanted(queue.version, this.#waiting.size(functionUid, queue));
    return this.#scaling.allows(functionUid, all);
  }

  #wait(request: EnvironmentRequest): Promise<Acquired> {
    const { functionUid, version } = request;
    const acquired = this.#waiting.add(request);
    const facts = this.#options.functions.findVersion(functionUid, version);
    if (facts !== undefined) this.#hasten(facts);
    // A call that came back from a refusal may find one that came free for nobody.
    this.#serve(functionUid);
    if (this.#waiting.size(functionUid, request) > 0) this.#tellUrgent();
    return acquired;
  }

  /** Calls of a version that does not come up unless somebody mends it are told so, before their callers lose patience. */
  #hasten({ uid, version }: FunctionFacts): void {
    const { clock, functions } = this.#options;
    const key = `${uid} ${version}`;
    const isInVain = (): boolean => {
      const facts = functions.findVersion(uid, version);
      return (
        facts !== undefined && isToBeMended(facts) && ![...this.of(uid)].some(({ address }) => address !== undefined)
      );
    };
    if (this.#hastened.has(key) || !isInVain()) return;
    this.#hastened.add(key);
    clock.schedule(mendingMs, () => {
      this.#hastened.delete(key);
      if (isInVain()) this.#refuseAll(uid, { version }, "timedOut");
    });
  }

  /** All versions of the function: of which one an environment came free, its revision says. */
  #serve(functionUid: string): void {
    if (this.#waiting.sizeOf(functionUid) === 0) return;
    for (const queue of this.#waiting.queues(functionUid)) {
      while (this.#waiting.size(functionUid, queue) > 0) {
        const acquired = this.#pick(functionUid, queue);
        if (acquired === undefined) break;
        this.#waiting.endFirst(functionUid, queue, acquired);
      }
    }
  }

  #refuseAll(functionUid: string, queue: QueueName, refusal: AcquireRefusal): void {
    this.#waiting.endAll(functionUid, queue, { ok: false, refusal });
  }

  #noteInit(pod: EnvironmentPod, init: EnvironmentAnnouncement["init"]): void {
    if (init === undefined) return;
    const current = new Set(this.#options.functions.versionsOf(pod.functionUid).map(({ revisionID }) => revisionID));
    if (this.#failures.note(pod, init, current)) this.#tellUrgent();
  }

  #tellUrgent(): void {
    for (const listener of this.#listeners) listener.onUrgent();
  }

  #tellChanged(podUid: string): void {
    for (const listener of this.#listeners) listener.onChanged(podUid);
  }
}

/** One that starts, or that a new owner has not heard yet. */
function mayComeFree({ pod, standing, ...environment }: Environment): boolean {
  if (environment.isInUse || environment.isUnreachable || pod.isTerminating) return false;
  return pod.provisionedFor === undefined && (!environment.mayRun || standing === "unheard");
}
