import { labels } from "../../crds/names.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { kinds as objectKinds } from "../../lib/kubernetes/kinds.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { keyOf, ownedBy, type Stored } from "../../lib/kubernetes/object.ts";
import type { Logger } from "../../lib/logger.ts";
import { adoption, poolPod, poolPodName } from "../controllers/function/generic-pod.ts";
import type { Recipe } from "../controllers/function/recipe.ts";
import type { EnvironmentSettings } from "../environment-settings.ts";
import { ledgerOwner } from "../ledger.ts";
import type { Pod } from "../pod.ts";
import { CalledKinds, type Call } from "./called-kinds.ts";
import { drawName, type Creation } from "./environment-hands.ts";
import { environmentState } from "./environment-state.ts";
import type { GenericIDs } from "./generic-ids.ts";
import type { PoolAgents } from "./pool-agents.ts";
import type { PoolMetrics } from "./pool-metrics.ts";
import { PoolStandings } from "./pool-standings.ts";
import {
  decidePool,
  kindKey,
  pickFromPool,
  type PoolKind,
  type PoolPodSeen,
  type PoolSettings,
} from "./pool-decide.ts";

export interface GenericPoolOptions {
  readonly client: KubernetesClient;
  readonly pods: ObjectCache<Pod>;
  readonly agents: PoolAgents;
  readonly settings: EnvironmentSettings;
  readonly pool: PoolSettings;
  readonly genericIDs: GenericIDs;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Asked right before each write. */
  readonly mayAct: () => boolean;
  /** Of the routers' roster that the next environment is born under. */
  readonly epoch: () => number;
  /** As CalledKinds has it. */
  readonly recipeOf: (functionUid: string, revisionID: string) => Recipe | undefined;
  /** A function of the kind, if the namespace has one: a new leader asks what a pool that it finds is for. */
  readonly userOf: (kind: PoolKind) => Call | undefined;
  /** A pod of the pool did not become the function's: it is to be looked at again. */
  readonly onFailure: (functionUid: string) => void;
  readonly metrics: PoolMetrics;
  readonly log: Logger;
}

const everyMs = 1000;
/** So long nothing waits where something that is needed found no room. */
const closedMs = 60_000;
/** So long none is made where one was. */
const silentMs = 600_000;
/** A creation that nothing was seen of for so long is not waited for. */
const overdueMs = 30_000;
/** An agent that is nobody's has nothing to bring to an end. */
const graceSeconds = 10;
const everywhere = "";

/**
 * Keeps generic pods ready where functions were called lately, and gives them to functions, one each, once. The agent says who was first;
 * labels and owner follow. What is remembered here can all be lost: pods and their agents are the truth.
 */
export class GenericPool {
  readonly #options: GenericPoolOptions;
  readonly #called: CalledKinds;
  readonly #standings: PoolStandings;
  readonly #creating = new Map<string, PoolKind & { readonly atMs: number }>();
  readonly #removed = new Set<string>();
  /** Namespace, or `everywhere` → until when nothing waits there. */
  readonly #closedUntilMs = new Map<string, number>();
  /** The same, until when none is made there. */
  readonly #pausedUntilMs = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  readonly #births = new Set<Promise<unknown>>();
  #unsubscribe: () => void = () => undefined;
  #cancelTick: () => void = () => undefined;
  #isStopped = false;

  constructor(options: GenericPoolOptions) {
    const { recipeOf, genericIDs, pool } = options;
    this.#options = options;
    this.#standings = new PoolStandings({ ...options, onSilent: (pod) => this.#silent(pod) });
    this.#called = new CalledKinds({ recipeOf, genericIDOf: (recipe) => genericIDs.of(recipe), keepMs: pool.keepMs });
  }

  start(): void {
    this.#unsubscribe = this.#options.pods.onChange(({ type, object }) => {
      const { name, uid } = object.metadata;
      this.#creating.delete(name);
      if (type === "deleted" || object.metadata.labels?.[labels.functionUid] !== undefined) this.#forget(uid);
      else if (object.metadata.labels?.[labels.generic] !== undefined) this.#ask(object);
    });
    this.#tick();
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelTick();
    await Promise.all(this.#running);
    await this.#options.agents.close();
    this.#options.metrics.waiting({ free: 0, starting: 0 });
  }

  /** Resolves when no pod is being given to a function under an epoch before now. */
  async whenBorn(): Promise<void> {
    await Promise.all(this.#births);
  }

  /** A function was called so long ago. */
  called(call: Call, forMs = 0): void {
    this.#called.called(call, this.#options.clock.monotonicMs() - forMs);
  }

  /** Something that is needed has no room: in the namespace, or on any node. True: pods of the pool go for it, or are about to be gone. */
  makeRoom(namespace: string = everywhere): boolean {
    this.#options.metrics.paused("noRoom");
    this.#closedUntilMs.set(namespace, this.#options.clock.monotonicMs() + closedMs);
    const waiting = this.#pods().filter(({ metadata }) => namespace === everywhere || metadata.namespace === namespace);
    if (waiting.length > 0) this.#look();
    return waiting.length > 0;
  }

  /** Gives the function a pod that waits, if there is one; false: it takes a new one. */
  take(creation: Creation): boolean {
    const { clock, pods, genericIDs } = this.#options;
    const genericID = genericIDs.of(creation.recipe);
    if (genericID === undefined || this.#isStopped) return false;
    const key = kindKey({ namespace: creation.object.metadata.namespace ?? "", genericID });
    const candidates = pods.byIndex("pool", key).map((pod) => {
      const { uid, phase, createdAtMs } = environmentState(pod);
      const isFree = phase === "running" && this.#standings.of(uid) === "free" && !this.#removed.has(uid);
      return { pod, createdAtMs, isFree };
    });
    const picked = pickFromPool(candidates)?.pod;
    if (picked === undefined) {
      this.#options.metrics.brought("new");
      return false;
    }
    const { name, uid } = picked.metadata;
    this.#standings.set(uid, "held");
    creation.scaling.expect({ name, revisionID: creation.recipe.document.revisionID, atMs: clock.monotonicMs() });
    const birth = this.#run(() => this.#give(picked, creation)).finally(() => this.#births.delete(birth));
    this.#births.add(birth);
    return true;
  }

  /** First the agent, which takes one function in its life, then what the rest of the world sees. */
  async #give(pod: Stored<Pod>, { object, recipe, scaling }: Creation): Promise<void> {
    const { agents, client, pods, mayAct, onFailure, metrics, log } = this.#options;
    const { namespace = "", name, uid } = pod.metadata;
    const epoch = this.#options.epoch();
    const answer = mayAct() ? await agents.assign(pod, { document: recipe.document, epoch }) : "absent";
    try {
      if (answer !== "assigned") throw new Error(`its agent's answer is "${answer}"`);
      if (!mayAct()) throw new Error("another operator may lead");
      await client.patch(
        { kind: objectKinds.pod, namespace, name },
        adoption({ uid, owner: ownedBy(object), recipe, epoch }),
      );
      metrics.brought("pool");
      // The watch may have been faster than the answer.
      if (pods.get(keyOf(pod))?.metadata.labels?.[labels.functionUid] !== undefined) scaling.settle(name);
    } catch (error) {
      log.warn("Cannot give a pod of the pool to a function", { kind: "Pod", namespace, name, error });
      // Nobody listened: it is as it was. Whatever else it is, it is nobody's to take.
      this.#standings.set(uid, "lost");
      if (answer === "absent") this.#standings.set(uid, undefined);
      else await this.#remove(pod);
      scaling.settle(name);
      onFailure(object.metadata.uid);
    }
  }

  #tick(): void {
    if (this.#isStopped) return;
    this.#cancelTick = this.#options.clock.schedule(everyMs, () => this.#tick());
    for (const pod of this.#pods()) this.#ask(pod);
    this.#look();
  }

  #look(): void {
    const { clock, pool, mayAct, metrics } = this.#options;
    if (this.#isStopped || !mayAct()) return;
    const nowMs = clock.monotonicMs();
    for (const [name, { atMs }] of this.#creating) if (nowMs - atMs > overdueMs) this.#creating.delete(name);
    for (const until of [this.#closedUntilMs, this.#pausedUntilMs])
      for (const [namespace, untilMs] of until) if (untilMs <= nowMs) until.delete(namespace);
    const pods = this.#pods();
    // Where no node takes what only waits, the next would be none's either, and keep nodes from what is needed.
    if (pods.some(isUnschedulable)) {
      this.#pausedUntilMs.set(everywhere, nowMs + closedMs);
      metrics.paused("unschedulable");
    }
    this.#called.recall(pods.map(kindOf), nowMs, this.#options.userOf);
    const kinds = this.#called.kinds(nowMs);
    const seen = pods.map((pod) => this.#see(pod));
    metrics.waiting(this.#countWaiting(seen));
    const plan = decidePool({
      settings: pool,
      kinds,
      pods: seen,
      creating: [...this.#creating.values()],
      closedNamespaces: new Set(this.#closedUntilMs.keys()),
      isClosed: this.#closedUntilMs.has(everywhere),
      mayCreate: (namespace) => !this.#pausedUntilMs.has(everywhere) && !this.#pausedUntilMs.has(namespace),
    });
    const removed = new Set(plan.remove);
    for (const pod of pods) if (removed.has(pod.metadata.uid)) void this.#run(() => this.#remove(pod));
    const recipes = new Map(kinds.map((kind) => [kindKey(kind), kind.recipe]));
    for (const kind of plan.create) {
      const recipe = recipes.get(kindKey(kind));
      if (recipe !== undefined) this.#create(kind, recipe);
    }
  }

  #see(pod: Stored<Pod>): PoolPodSeen {
    const { uid, phase, createdAtMs } = environmentState(pod);
    const standing = this.#standings.of(uid);
    return {
      ...kindOf(pod),
      uid,
      phase: this.#removed.has(uid) ? "terminating" : phase,
      ageMs: this.#options.clock.nowMs() - createdAtMs,
      isHeld: standing === "held",
      isLost: standing === "lost" || isUnschedulable(pod),
    };
  }

  #countWaiting(pods: readonly PoolPodSeen[]): { readonly free: number; readonly starting: number } {
    const alive = pods.filter(
      ({ phase, isHeld, isLost }) => (phase === "running" || phase === "starting") && !isHeld && !isLost,
    );
    const free = alive.filter(({ uid, phase }) => phase === "running" && this.#standings.of(uid) === "free").length;
    return { free, starting: alive.length - free };
  }

  #ask(pod: Stored<Pod>): void {
    if (!this.#isStopped) void this.#run(() => this.#standings.ask(pod));
  }

  /** Perhaps a policy keeps us out: the next would be silent too. */
  #silent({ metadata: { namespace = "", name } }: Stored<Pod>): void {
    const { clock, metrics, log } = this.#options;
    this.#pausedUntilMs.set(namespace, clock.monotonicMs() + silentMs);
    metrics.paused("silent");
    log.warn("A pod of the pool does not answer on its agent's port: none waits in its namespace for a while", {
      ...{ kind: "Pod", namespace, name },
    });
  }

  #create(kind: PoolKind, recipe: Recipe): void {
    const { client, clock, draw, settings, pods, mayAct, metrics, log } = this.#options;
    const { namespace, genericID } = kind;
    const name = poolPodName(genericID, drawName(draw));
    this.#creating.set(name, { ...kind, atMs: clock.monotonicMs() });
    void this.#run(async () => {
      try {
        const owner = await ledgerOwner(client, namespace);
        if (!mayAct()) return;
        const epoch = this.#options.epoch();
        const made = await client.create(poolPod({ namespace, name, owner, genericID, recipe, settings, epoch }));
        // The watch may have been faster than the answer.
        if (pods.get(keyOf(made)) !== undefined) this.#creating.delete(name);
      } catch (error) {
        // A full quota, a namespace that ends: what waits is not worth a second try soon.
        log.debug("Cannot make a pod for the pool", { namespace, name, error });
        this.#pausedUntilMs.set(namespace, clock.monotonicMs() + closedMs);
        metrics.paused("refused");
        this.#creating.delete(name);
      }
    });
  }

  async #remove(pod: Stored<Pod>): Promise<void> {
    const { client, mayAct, log } = this.#options;
    const { namespace = "", name, uid } = pod.metadata;
    this.#removed.add(uid);
    try {
      const ref = { kind: objectKinds.pod, namespace, name };
      if (mayAct()) await client.delete(ref, { uid, gracePeriodSeconds: graceSeconds });
      else this.#removed.delete(uid);
    } catch (error) {
      if (isKubernetesError(error, "NotFound", "Conflict")) return;
      this.#removed.delete(uid);
      log.warn("Cannot remove a pod of the pool", { kind: "Pod", namespace, name, error });
    }
  }

  #forget(uid: string): void {
    this.#standings.forget(uid);
    this.#removed.delete(uid);
  }

  #pods(): readonly Stored<Pod>[] {
    return this.#options.pods.byIndex("pool", "");
  }

  #run(task: () => Promise<void>): Promise<void> {
    const running = task().finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }
}

function isUnschedulable(pod: Stored<Pod>): boolean {
  return environmentState(pod).failure?.reason === "Unschedulable";
}

function kindOf({ metadata }: Stored<Pod>): PoolKind {
  return { namespace: metadata.namespace ?? "", genericID: metadata.labels?.[labels.generic] ?? "" };
}
