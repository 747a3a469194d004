import { reservationOf } from "../../crds/granted-concurrency.ts";
import { labels } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { LoadReport, LoadReportAnswer } from "../../crds/wire/load-report.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { Change, ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { keyOf, type Stored } from "../../lib/kubernetes/object.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Health } from "../controllers/function/conditions.ts";
import { functionKeyOf } from "../controllers/version/version-function.ts";
import type { EnvironmentSettings } from "../environment-settings.ts";
import type { Pod } from "../pod.ts";
import { decideScaling, type ScalingPlan, type ScalingSeen } from "./decide.ts";
import { EnvironmentHands, type Creation } from "./environment-hands.ts";
import { isSameEnvironment, podsIn, type EnvironmentState } from "./environment-state.ts";
import { FunctionScaling } from "./function-scaling.ts";
import { GenericIDs } from "./generic-ids.ts";
import { GenericPool } from "./generic-pool.ts";
import { HealthBoard } from "./health-board.ts";
import { LoadBoard } from "./load-board.ts";
import { LookSchedule } from "./look-schedule.ts";
import { nextLookMs } from "./next-look.ts";
import { maxAgeOf, observeScaling, type ScalingDefaults } from "./observe.ts";
import type { PoolAgents } from "./pool-agents.ts";
import { calledForMs, type PoolSettings } from "./pool-decide.ts";
import type { PoolMetrics } from "./pool-metrics.ts";
import { poolUses } from "./pool-uses.ts";
import { provisionedGroup, type ProvisionedWord } from "./provisioned.ts";
import { ProvisionedScaling, type ProvisionedLook } from "./provisioned-scaling.ts";
import { functionTargets, groupByVersion, type ScalingGroup, type ScalingTargetsOptions } from "./scaling-targets.ts";

export interface AutoscalerOptions extends ScalingTargetsOptions, ScalingDefaults {
  readonly client: KubernetesClient;
  /** Synced, as in operator-caches.ts. */
  readonly functions: ObjectCache<FunctionObject>;
  readonly pods: ObjectCache<Pod>;
  readonly settings: EnvironmentSettings;
  /** Absent: no generic pods wait. */
  readonly pool?:
    { readonly settings: PoolSettings; readonly agents: PoolAgents; readonly metrics: PoolMetrics } | undefined;
  readonly clock: Clock;
  readonly draw: () => number;
  /** False as soon as another operator may lead. */
  readonly mayAct: () => boolean;
  /** Of the routers' roster that the next environment is born under. */
  readonly epoch: () => number;
  /** Whether a router owns an account; what others say of it is not heard. Undefined: all are heard. */
  readonly isOwner?: (replica: string, namespace: string) => boolean;
  /** True when the router's pod is known to be gone; undefined where routers are no pods. */
  readonly isReplicaGone: ((replica: string) => boolean) | undefined;
  /** Counts of a function's environments changed: `key` is the Function's. */
  readonly onChange: (key: string) => void;
  /** How many environments are kept ready for a Function's versions changed, or why they are not. */
  readonly onProvisioned: (key: string) => void;
  /** Health of a revision of a Function changed. */
  readonly onHealth: (key: string, revisionID: string, health: Health) => void;
  /** An environment could not get its code: the store may have lost it. */
  readonly onAssembleFailed: (key: string) => void;
  readonly log: Logger;
}

type GroupPlan = Pick<ScalingGroup<EnvironmentState>, "recipe"> & { readonly plan: ScalingPlan };

const everyMs = 1000;
/** So long after the start not every router may have reported. */
const settleMs = 5000;
/** A router that is no pod counts as gone after this silence. */
const silentMs = 30_000;
/** A creation that the watch has not shown after so long is asked for by name. */
const overdueMs = 10_000;
const createAtOnce = 50;

/** Makes so many environments as routers need: looks at what reports say anew, at every change of a pod, and when time alone makes a difference. */
export class Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #board: LoadBoard;
  readonly #scalings = new Map<string, FunctionScaling>();
  readonly #schedule: LookSchedule;
  /** Function's uid → what is asked back of it. */
  readonly #asked = new Map<string, ReadonlySet<string>>();
  readonly #healths = new HealthBoard();
  readonly #hands: EnvironmentHands;
  readonly #genericIDs: GenericIDs;
  readonly #pool: GenericPool | undefined;
  readonly #provisioned: ProvisionedScaling;
  readonly #startedAtMs: number;
  readonly #unsubscribe: (() => void)[] = [];
  #cancelTick: () => void = () => undefined;
  #isStopped = false;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
    this.#board = new LoadBoard(options.isOwner);
    this.#schedule = new LookSchedule(options);
    this.#startedAtMs = options.clock.monotonicMs();
    this.#genericIDs = new GenericIDs(options.settings);
    const onFailure = (uid: string): void => this.#scale(uid);
    this.#pool = createPool(options, this.#genericIDs, onFailure);
    const makeRoom = (namespace: string): boolean => this.#pool?.makeRoom(namespace) ?? false;
    this.#hands = new EnvironmentHands({ ...options, genericIDs: this.#genericIDs, makeRoom, onFailure });
    const onChange = (object: Stored<FunctionObject>): void => options.onProvisioned(keyOf(object));
    this.#provisioned = new ProvisionedScaling({ board: this.#board, hands: this.#hands, onChange });
  }

  start(): void {
    const { pods, functions, recipes, snapshots } = this.#options;
    this.#unsubscribe.push(
      pods.onChange((change) => this.#podChanged(change)),
      functions.onChange(({ object }) => this.#scale(object.metadata.uid)),
      recipes.onChange(({ object }) => this.#scale(object.data.document.functionUid)),
      snapshots.onChange(({ object: { metadata, data } }) => {
        const named = functions.byIndex("name", functionKeyOf(metadata.namespace, data.functionName));
        for (const object of named) this.#scale(object.metadata.uid);
      }),
    );
    for (const { metadata } of functions.list()) this.#schedule.soon(metadata.uid);
    for (const uid of pods.list().flatMap((pod) => functionUidOf(pod) ?? [])) this.#schedule.soon(uid);
    this.#pool?.start();
    this.#tick();
  }

  /** Routers that have reported, and how long ago that was, ms. */
  silences(): ReadonlyMap<string, number> {
    const silences = this.#board.silences(this.#options.clock.monotonicMs());
    return new Map(silences.map(({ replica, silentForMs }) => [replica, silentForMs]));
  }

  /** Environments wait for the API server: what else is written should wait for them. */
  get isBusy(): boolean {
    return this.#hands.isBusy;
  }

  /** Resolves when no creation of an environment born before now is under way. */
  async whenBorn(): Promise<void> {
    await Promise.all([this.#hands.whenBorn(), this.#pool?.whenBorn()]);
  }

  /** Creates and removes nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTick();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await Promise.all([this.#hands.whenIdle(), this.#pool?.stop()]);
  }

  /** Takes a router's word, acts on it, and says what it shall give back: all of it, of all functions. */
  take(report: LoadReport): LoadReportAnswer {
    const news = this.#board.newsOf(report);
    const taken = this.#board.take(report, this.#options.clock.monotonicMs());
    if (taken === "taken") for (const uid of news) this.#scale(uid);
    // Of what a whole report does not name there is nothing to say any more.
    if (report.since === undefined) this.#schedule.allSoon();
    else for (const uid of report.gone ?? []) this.#schedule.soon(uid);
    const release = new Set([...this.#asked.values()].flatMap((uids) => [...uids]));
    this.#board.answered(report.replica, release);
    return { release: [...release].sort(), ...(taken === "taken" && { heard: report.sequence }) };
  }

  /** How the environments of a function's revision do; undefined: not known. */
  healthOf(functionUid: string, revisionID: string): Health | undefined {
    return this.#healths.of(functionUid, revisionID);
  }

  /** How a function's environments do that are kept ready. */
  provisionedOf(functionUid: string): ProvisionedWord {
    return { counts: this.#provisioned.countsOf(functionUid), isSettled: this.isSettled };
  }

  /** False shortly after a start, when not every router has reported. */
  get isSettled(): boolean {
    return this.#options.clock.monotonicMs() - this.#startedAtMs >= settleMs;
  }

  #tick(): void {
    if (this.#isStopped) return;
    this.#cancelTick = this.#options.clock.schedule(everyMs, () => this.#tick());
    this.#dropReplicas();
    for (const uid of this.#schedule.due()) this.#scale(uid);
    this.#verifyCreations();
  }

  #dropReplicas(): void {
    const { clock, isReplicaGone } = this.#options;
    for (const { replica, silentForMs } of this.#board.silences(clock.monotonicMs())) {
      const isGone = isReplicaGone === undefined ? silentForMs > silentMs : isReplicaGone(replica);
      if (isGone && silentForMs > everyMs * 2) for (const uid of this.#board.drop(replica)) this.#schedule.soon(uid);
    }
  }

  #podChanged({ type, object: pod, previous }: Change<Pod>): void {
    const uid = functionUidOf(pod);
    if (uid === undefined) return;
    if (type === "modified" && previous !== undefined && isSameEnvironment(previous, pod)) return;
    this.#scalings.get(uid)?.settle(pod.metadata.name);
    this.#scale(uid);
    const owner = this.#functionOf(uid);
    if (owner !== undefined) this.#options.onChange(keyOf(owner));
  }

  #scale(uid: string): void {
    if (this.#isStopped) return;
    if (!this.#options.mayAct()) {
      this.#schedule.soon(uid);
      return;
    }
    const object = this.#functionOf(uid);
    const pods = this.#options.pods.byIndex("function", uid);
    if (object === undefined) {
      this.#scaleOrphans(uid, pods);
      return;
    }
    const scaling = this.#scalingOf(uid);
    const all = this.#look(object, scaling, podsIn(object.metadata.namespace, pods));
    const environments = all.filter(({ provisionedFor }) => provisionedFor === undefined);
    const targets = functionTargets(this.#options, object);
    const groups = groupByVersion(targets, environments, this.#board.revisionsOf(uid));
    const latest = targets.latest === undefined ? [] : [targets.latest.document.revisionID];
    this.#forgetOthers(uid, scaling, new Set([...targets.versions.keys(), ...latest]));
    const plans = groups.map((group) => {
      const seen = this.#see(object, scaling, group);
      this.#tellPool(object, seen);
      return { ...group, seen, plan: decideScaling(seen) };
    });
    const kept = this.#keepReady(object, { scaling, targets, environments: all });
    scaling.asked = new Set([...plans.flatMap(({ plan }) => plan.release), ...kept.release]);
    this.#noteAsked(uid, scaling.asked);
    const removed = new Set([...plans.flatMap(({ plan }) => plan.remove), ...kept.remove]);
    for (const pod of pods) if (removed.has(pod.metadata.uid)) this.#hands.remove(scaling, pod);
    for (const { recipe, plan } of plans) {
      if (recipe === undefined) continue;
      for (const replaces of plan.replace) this.#hands.create({ object, recipe, scaling, replaces });
      for (let i = 0; i < plan.create; i++) this.#bring({ object, recipe, scaling });
    }
    if (all.some(({ failure }) => failure?.reason === "Unschedulable")) this.#pool?.makeRoom();
    this.#noteAtMost(object, scaling, plans);
    for (const { recipe } of groups) {
      const revisionID = recipe?.document.revisionID;
      if (revisionID !== undefined) this.#judgeHealth(object, revisionID, all, scaling);
    }
    const isUnderWay = kept.isConcerned || scaling.changesWithTime;
    if (scaling.isEmpty) this.#scalings.delete(uid);
    if (isUnderWay) this.#schedule.soon(uid);
    else if (this.#board.knows(uid) || pods.length > 0 || !scaling.isEmpty)
      this.#schedule.later(uid, Math.min(...plans.map(({ seen }) => nextLookMs(seen))));
    else this.#schedule.forget(uid);
  }

  #noteAsked(uid: string, asked: ReadonlySet<string>): void {
    if (asked.size > 0) this.#asked.set(uid, asked);
    else this.#asked.delete(uid);
  }

  #keepReady(
    object: Stored<FunctionObject>,
    seen: Pick<ProvisionedLook, "scaling" | "targets" | "environments">,
  ): ReturnType<ProvisionedScaling["scale"]> {
    const { clock } = this.#options;
    const environments = seen.environments.filter(({ provisionedFor }) => provisionedFor !== undefined);
    const times = { nowMs: clock.monotonicMs(), wallMs: clock.nowMs(), maxAgeMs: maxAgeOf(object, this.#options) };
    const mayRelease = this.isSettled;
    return this.#provisioned.scale({ ...seen, object, environments, ...times, mayRelease, createAtOnce });
  }

  #tellPool({ metadata: { namespace = "", uid: functionUid } }: Stored<FunctionObject>, seen: ScalingSeen): void {
    const revisionID = seen.target?.revisionID;
    const forMs = calledForMs(seen);
    if (revisionID !== undefined && forMs !== undefined)
      this.#pool?.called({ namespace, functionUid, revisionID }, forMs);
  }

  /** What waits, else what has to be made. */
  #bring(creation: Creation): void {
    if (this.#pool?.take(creation) !== true) this.#hands.create(creation);
  }

  #forgetOthers(uid: string, scaling: FunctionScaling, revisionIDs: ReadonlySet<string>): void {
    scaling.keepFailures(new Set([...revisionIDs].flatMap((id) => [id, provisionedGroup(id)])));
    this.#healths.keep(uid, revisionIDs);
  }

  /** A reservation's own limit is told to callers before any more environments are needed. */
  #noteAtMost(object: Stored<FunctionObject>, scaling: FunctionScaling, plans: readonly GroupPlan[]): void {
    const atMost = reservationOf(object) === undefined ? plans.filter(({ plan }) => plan.isAtMost) : [];
    const revisionIDs = atMost.flatMap(({ recipe }) => recipe?.document.revisionID ?? []);
    scaling.noteAtMost(revisionIDs, this.#options.clock.monotonicMs());
  }

  #look(object: Stored<FunctionObject>, scaling: FunctionScaling, pods: readonly Stored<Pod>[]) {
    const before = scaling.lastFailure;
    const environments = scaling.look(pods, this.#options.clock.monotonicMs());
    const isNew = scaling.lastFailure !== before;
    if (isNew && scaling.lastFailure?.failure.reason === "AssembleFailed")
      this.#options.onAssembleFailed(keyOf(object));
    return environments;
  }

  #see(object: Stored<FunctionObject>, scaling: FunctionScaling, group: ScalingGroup<EnvironmentState>): ScalingSeen {
    const sources = { object, scaling, board: this.#board, defaults: this.#options, clock: this.#options.clock };
    return observeScaling({ ...sources, mayRelease: this.isSettled, createAtOnce }, group);
  }

  #scaleOrphans(uid: string, pods: readonly Stored<Pod>[]): void {
    this.#healths.forget(uid);
    this.#provisioned.forget(uid);
    if (pods.length === 0) {
      this.#scalings.delete(uid);
      this.#asked.delete(uid);
      this.#schedule.forget(uid);
      return;
    }
    this.#schedule.soon(uid);
    const scaling = this.#scalingOf(uid);
    const states = scaling.look(pods, this.#options.clock.monotonicMs());
    const left = new Set(states.filter(({ phase }) => phase !== "terminating").map((state) => state.uid));
    if (left.size > 0)
      this.#hands.removeOrphans(
        uid,
        scaling,
        pods.filter(({ metadata }) => left.has(metadata.uid)),
      );
  }

  #verifyCreations(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [uid, scaling] of this.#scalings) {
      const object = this.#functionOf(uid);
      if (object === undefined) continue;
      for (const name of scaling.takeOverdue(nowMs - overdueMs, nowMs)) this.#hands.verify(object, name, scaling);
    }
  }

  #judgeHealth(
    object: Stored<FunctionObject>,
    revisionID: string,
    environments: readonly EnvironmentState[],
    scaling: FunctionScaling,
  ): void {
    const { uid } = object.metadata;
    const reported = this.#board.failureOf(uid, revisionID);
    const failures = scaling.failuresOf(revisionID);
    const nowMs = this.#options.clock.monotonicMs();
    const most = scaling.isAtMost(revisionID) ? this.#options.maxEnvironments : undefined;
    const seen = { revisionID, environments, failures, reported, most, nowMs };
    const news = this.#healths.judge(uid, seen, () => scaling.forgetFailures(revisionID));
    if (news !== undefined) this.#options.onHealth(keyOf(object), revisionID, news);
  }

  #functionOf(uid: string): Stored<FunctionObject> | undefined {
    return this.#options.functions.byIndex("uid", uid)[0];
  }

  #scalingOf(uid: string): FunctionScaling {
    const known = this.#scalings.get(uid) ?? new FunctionScaling();
    this.#scalings.set(uid, known);
    return known;
  }
}

function createPool(
  { pool, ...options }: AutoscalerOptions,
  genericIDs: GenericIDs,
  onFailure: (uid: string) => void,
): GenericPool | undefined {
  if (pool === undefined) return undefined;
  const { settings, agents, metrics } = pool;
  const uses = poolUses({ ...options, genericIDs });
  return new GenericPool({ ...options, ...uses, agents, metrics, pool: settings, genericIDs, onFailure });
}

/** Undefined: it waits for a function. */
function functionUidOf({ metadata }: Stored<Pod>): string | undefined {
  return metadata.labels?.[labels.functionUid];
}
