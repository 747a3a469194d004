/** How many execution environments a function gets and which ones go: absolute numbers in, absolute numbers out. */
import type { EnvironmentPhase } from "./environment-phase.ts";
import { decideRecycling, type Recycling } from "./recycling.ts";

export interface EnvironmentSeen {
  /** uid of the pod. */
  readonly uid: string;
  readonly revisionID: string;
  readonly phase: EnvironmentPhase;
  readonly ageMs: number;
  /** Of a former revision with the configuration of the target: it serves calls until one of the target runs. */
  readonly standsIn?: boolean;
  /** uid of the environment that it was made to replace. */
  readonly replaces?: string | undefined;
  /** Somebody else takes it away, and calls used it until now. */
  readonly isMissed?: boolean;
  /** Its owner, or its node, is not heard: it serves nobody, and may come back. */
  readonly isCutOff?: boolean;
}

/** What one router said last about the function. */
export interface ReplicaSeen {
  /** It has an entry for the function: an environment that it does not list as idle may be in use there. */
  readonly knowsFunction: boolean;
  /** Of the target revision; what is said of others is about to change. */
  readonly needed: number;
  /** Environments of the target revision whose init has ended, idle or in use. Absent: it does not say. */
  readonly initialized?: number;
  readonly idleForMsByUid: ReadonlyMap<string, number>;
  /** Environments of which it does not know whether they run a call, and for how long. They are not in `needed`. */
  readonly inDoubtForMsByUid?: ReadonlyMap<string, number>;
  /** Environments that it gave back after it had been asked: it will not hand them out again. */
  readonly confirmed: ReadonlySet<string>;
}

/** What the environments should be like. */
export interface ScalingTarget {
  readonly revisionID: string;
  readonly maxEnvironments: number;
  readonly keepAliveMs: number;
  /** An environment that is older is replaced. Default: never. */
  readonly maxAgeMs?: number;
  /** So many are kept even where nobody calls. Default 0. */
  readonly floor?: number;
}

export interface ScalingSeen {
  /** False: the Function is gone or going, and so are its environments. */
  readonly isWanted: boolean;
  /** Absent: no revision can be run yet. */
  readonly target?: ScalingTarget;
  readonly environments: readonly EnvironmentSeen[];
  /** Routers that exist. None: keep everything. */
  readonly replicas: readonly ReplicaSeen[];
  /** Environments of the target that were created and have not been seen yet. */
  readonly creating: number;
  /** What those among them replace. */
  readonly creatingFor?: ReadonlySet<string>;
  /** Environments that were asked back before. This is never taken back: a router that gave one up may hear of it late. */
  readonly asked: ReadonlySet<string>;
  /** Nothing is created before that, ms from now; 0: at once. */
  readonly backOffMs: number;
  /** False shortly after a start, when not every router has reported. */
  readonly mayRelease: boolean;
  /** Most creations of one pass. */
  readonly createAtOnce: number;
}

export interface ScalingPlan {
  readonly create: number;
  /** uids of environments that get a successor each, besides. */
  readonly replace: readonly string[];
  /** uids that the routers shall give back, the whole set. */
  readonly release: readonly string[];
  /** uids of pods to delete. */
  readonly remove: readonly string[];
  /** As many as the target allows are there or on their way, and calls need more. */
  readonly isAtMost: boolean;
}

/** An environment that has not started after so long and that nobody needs is given up, ms. */
const startPatienceMs = 60_000;
/** So long an environment in doubt counts as one that the next call may get, ms: one that lives says within moments what it runs. */
const doubtMs = 2000;

/** Creates what calls need, asks back what is idle for long or of another revision, and removes what came back or is over. */
export function decideScaling(seen: ScalingSeen): ScalingPlan {
  const present = seen.environments.filter(({ phase }) => phase !== "terminating");
  if (!seen.isWanted) return { create: 0, replace: [], release: [], remove: uidsOf(present), isAtMost: false };
  const over = present.filter(({ phase }) => phase === "ended" || phase === "failed");
  const alive = present.filter(({ phase }) => phase === "starting" || phase === "running");
  const idle = decideRelease(seen, alive);
  const aged = recycle(seen, alive, idle);
  const release = new Set([...idle, ...aged.retire]);
  const replace = [...missed(seen, alive), ...aged.replace];
  const returned = alive.filter(({ uid }) => seen.asked.has(uid) && isReturned(uid, seen.replicas));
  return {
    ...decideCreate(seen, alive, { release, replace }),
    replace,
    release: [...release].sort(),
    remove: uidsOf([...over, ...returned]),
  };
}

function decideCreate(
  { target, ...seen }: ScalingSeen,
  alive: readonly EnvironmentSeen[],
  { release, replace }: Pick<ScalingPlan, "replace"> & { readonly release: ReadonlySet<string> },
): Pick<ScalingPlan, "create" | "isAtMost"> {
  if (target === undefined || seen.backOffMs > 0) return { create: 0, isAtMost: false };
  const usable = alive.filter((environment) => isUsable(environment, target) && !release.has(environment.uid));
  // What stands in goes when it has a successor, also where nobody calls.
  const least = alive.some(({ uid, standsIn }) => standsIn === true && !release.has(uid)) ? 1 : 0;
  const needed = neededOf(seen.replicas) + inDoubt(usable, seen.replicas, doubtMs);
  const wanted = Math.min(Math.max(needed, least), target.maxEnvironments);
  const lacking = wanted - usable.length - seen.creating - replace.length;
  const isAtMost = needed > target.maxEnvironments && lacking <= seen.createAtOnce;
  return { create: Math.max(0, Math.min(lacking, seen.createAtOnce)), isAtMost };
}

/** Those of the target that have lived long enough. */
function recycle(
  { target, replicas, asked, ...seen }: ScalingSeen,
  alive: readonly EnvironmentSeen[],
  idle: ReadonlySet<string>,
): Recycling {
  const maxAgeMs = target?.maxAgeMs ?? Infinity;
  if (target === undefined || maxAgeMs === Infinity || replicas.length === 0 || !seen.mayRelease)
    return { replace: [], retire: [] };
  const current = alive.filter(
    ({ uid, revisionID }) => revisionID === target.revisionID && !idle.has(uid) && !asked.has(uid),
  );
  const ready = readyOf(target, seen.environments, replicas);
  return decideRecycling({
    environments: current.map((environment) => ({
      ...environment,
      isReady: ready.has(environment.uid),
      idleForMs: idleForMs(environment.uid, replicas),
    })),
    creating: seen.creatingFor ?? new Set(),
    maxAgeMs,
    keepAliveMs: target.keepAliveMs,
    floor: target.floor ?? 0,
    mayReplace: seen.backOffMs === 0 && target.maxEnvironments > 0,
  });
}

/** Those that calls used and that somebody takes away: a drained node's, preempted or deleted ones. Each is replaced once, and at once, as far as calls need them. */
function missed({ target, ...seen }: ScalingSeen, alive: readonly EnvironmentSeen[]): readonly string[] {
  if (target === undefined || seen.backOffMs > 0) return [];
  const replaced = new Set([...alive.map(({ replaces }) => replaces), ...(seen.creatingFor ?? [])]);
  const usable = alive.filter((each) => isUsable(each, target));
  const needed = neededOf(seen.replicas) + inDoubt(usable, seen.replicas, doubtMs);
  const room = Math.min(target.maxEnvironments, Math.max(1, needed)) - usable.length - seen.creating;
  return seen.environments
    .filter(
      ({ uid, revisionID, isMissed }) => isMissed === true && revisionID === target.revisionID && !replaced.has(uid),
    )
    .slice(0, Math.max(0, Math.min(room, seen.createAtOnce)))
    .map(({ uid }) => uid);
}

function isUsable({ revisionID, isCutOff }: EnvironmentSeen, target: ScalingTarget): boolean {
  return revisionID === target.revisionID && isCutOff !== true;
}

function decideRelease(seen: ScalingSeen, alive: readonly EnvironmentSeen[]): ReadonlySet<string> {
  const { target, replicas, asked } = seen;
  const release = new Set(uidsOf(alive.filter(({ uid }) => asked.has(uid))));
  if (target === undefined || replicas.length === 0 || !seen.mayRelease) return release;
  const kept = keptStandIns(seen, alive, target);
  for (const { uid, revisionID } of alive) if (revisionID !== target.revisionID && !kept.has(uid)) release.add(uid);
  const current = alive.filter(({ uid }) => !release.has(uid));
  const surplus = Math.max(0, current.length - neededOf(replicas) - inDoubt(current, replicas, 0));
  for (const { uid } of idleLongest(current, target, replicas).slice(0, surplus)) release.add(uid);
  return release;
}

/** All until the first successor is ready, then as many as it still takes to serve the calls; what nobody uses goes first. */
function keptStandIns(
  { replicas, asked, environments }: ScalingSeen,
  alive: readonly EnvironmentSeen[],
  target: ScalingTarget,
): ReadonlySet<string> {
  const standIns = alive.filter(({ uid, standsIn }) => standsIn === true && !asked.has(uid));
  const isReady = readyOf(target, environments, replicas);
  const ready = alive.filter(({ uid, phase }) => phase === "running" && isReady.has(uid));
  const most = neededOf(replicas) + inDoubt([...standIns, ...ready], replicas, 0);
  const count = ready.length === 0 ? standIns.length : Math.max(0, most - ready.length);
  const busyFirst = standIns.toSorted((a, b) => idleForMs(a.uid, replicas) - idleForMs(b.uid, replicas));
  return new Set(uidsOf(busyFirst.slice(0, count)));
}

/**
 * Those of the target that can be called: containers that run may still bring code, or be in their init. Idle at a router one is ready; all are where
 * as many have ended their init as have begun.
 */
function readyOf(
  { revisionID }: ScalingTarget,
  environments: readonly EnvironmentSeen[],
  replicas: readonly ReplicaSeen[],
): ReadonlySet<string> {
  const begun = environments.filter((one) => one.revisionID === revisionID && one.phase !== "starting");
  const initialized = replicas.reduce((sum, replica) => sum + (replica.initialized ?? Infinity), 0);
  return new Set(uidsOf(initialized >= begun.length ? begun : begun.filter(({ uid }) => isIdle(uid, replicas))));
}

function isIdle(uid: string, replicas: readonly ReplicaSeen[]): boolean {
  return replicas.some(({ idleForMsByUid }) => idleForMsByUid.has(uid));
}

/** Those that nobody has used for the keep-alive, longest first; then those that never got to run. */
function idleLongest(
  current: readonly EnvironmentSeen[],
  { keepAliveMs }: ScalingTarget,
  replicas: readonly ReplicaSeen[],
): readonly EnvironmentSeen[] {
  const idle = current
    .map((environment) => ({ environment, idleForMs: idleForMs(environment.uid, replicas) }))
    .filter((candidate) => candidate.idleForMs >= keepAliveMs)
    .sort((a, b) => b.idleForMs - a.idleForMs || (a.environment.uid < b.environment.uid ? -1 : 1))
    .map(({ environment }) => environment);
  const patienceMs = Math.max(keepAliveMs, startPatienceMs);
  const stuck = current.filter(({ phase, ageMs }) => phase === "starting" && ageMs >= patienceMs);
  return [...idle, ...stuck.filter((environment) => !idle.includes(environment))];
}

/** -1 when a router may be using it or none has it; otherwise the shortest time that any router says. */
function idleForMs(uid: string, replicas: readonly ReplicaSeen[]): number {
  const times = replicas
    .filter(({ knowsFunction, confirmed }) => knowsFunction && !confirmed.has(uid))
    .map(({ idleForMsByUid }) => idleForMsByUid.get(uid) ?? -1);
  return times.length === 0 ? -1 : Math.min(...times);
}

function isReturned(uid: string, replicas: readonly ReplicaSeen[]): boolean {
  return replicas.length > 0 && replicas.every(({ confirmed }) => confirmed.has(uid));
}

function neededOf(replicas: readonly ReplicaSeen[]): number {
  return replicas.reduce((sum, { needed }) => sum + needed, 0);
}

/** So many of them may have been running calls for so long that nobody knows of. One that still starts runs none. */
function inDoubt(environments: readonly EnvironmentSeen[], replicas: readonly ReplicaSeen[], forMs: number): number {
  const isInDoubt = ({ uid, phase }: EnvironmentSeen): boolean =>
    phase === "running" && replicas.some(({ inDoubtForMsByUid }) => (inDoubtForMsByUid?.get(uid) ?? -1) >= forMs);
  return environments.filter(isInDoubt).length;
}

function uidsOf(environments: readonly EnvironmentSeen[]): readonly string[] {
  return environments.map(({ uid }) => uid);
}
