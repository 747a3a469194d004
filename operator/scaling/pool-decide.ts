/** How many generic pods wait for a function, and which of them go: what is called now comes first, always. Pure. */
import type { ScalingSeen } from "./decide.ts";
import type { EnvironmentPhase } from "./environment-phase.ts";

export interface PoolSettings {
  /** Of each kind that was called lately; 0: none wait. */
  readonly size: number;
  /** How long ago "lately" may be, ms. */
  readonly keepMs: number;
  /** Bounds of all kinds together. */
  readonly perNamespace: number;
  readonly total: number;
}

/** Pods that could be in each other's place. */
export interface PoolKind {
  readonly namespace: string;
  readonly genericID: string;
}

export interface CalledKind extends PoolKind {
  /** Since a function of the kind needed an environment, ms. */
  readonly calledForMs: number;
}

export interface PoolPodSeen extends PoolKind {
  /** Of the pod. */
  readonly uid: string;
  readonly phase: EnvironmentPhase;
  readonly ageMs: number;
  /** It is becoming a function's at this moment. */
  readonly isHeld: boolean;
  /** It can be nobody's any more: no node takes it, its agent does not answer, or it is a function's that its labels do not say. */
  readonly isLost: boolean;
}

export interface PoolSeen {
  readonly settings: PoolSettings;
  readonly kinds: readonly CalledKind[];
  readonly pods: readonly PoolPodSeen[];
  /** Created and not seen yet. */
  readonly creating: readonly PoolKind[];
  /** Namespaces in which something that is needed found no room lately. */
  readonly closedNamespaces: ReadonlySet<string>;
  /** A node had no room for something that is needed lately. */
  readonly isClosed: boolean;
  /** Whether one may be made in a namespace: not where the last one could not be, or was not taken by any node. */
  readonly mayCreate: (namespace: string) => boolean;
}

export interface PoolPlan {
  readonly create: readonly PoolKind[];
  /** uids of pods to delete. */
  readonly remove: readonly string[];
}

/** A pod that does not start in this time never will, ms. */
const startPatienceMs = 60_000;

export function kindKey({ namespace, genericID }: PoolKind): string {
  return `${namespace}/${genericID}`;
}

/** The kinds called last have theirs first, within the bounds. */
export function decidePool(seen: PoolSeen): PoolPlan {
  const present = seen.pods.filter(({ phase, isHeld }) => phase !== "terminating" && !isHeld);
  const [over, alive] = partition(present, isOver);
  const wantedByKind = decideSizes(seen);
  const surplus = [...Map.groupBy(alive, kindKey)].flatMap(([key, pods]) =>
    pods.toSorted(leastUsefulFirst).slice(0, Math.max(0, pods.length - (wantedByKind.get(key) ?? 0))),
  );
  const create = seen.kinds
    .filter(({ namespace }) => seen.mayCreate(namespace))
    .flatMap((kind) => {
      const key = kindKey(kind);
      const there = [...alive, ...seen.creating].filter((other) => kindKey(other) === key).length;
      const { namespace, genericID } = kind;
      return Array.from({ length: Math.max(0, (wantedByKind.get(key) ?? 0) - there) }, () => ({
        namespace,
        genericID,
      }));
    });
  return { create, remove: [...over, ...surplus].map(({ uid }) => uid) };
}

function decideSizes({ settings, kinds, closedNamespaces, isClosed }: PoolSeen): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  if (isClosed) return sizes;
  let left = settings.total;
  const leftByNamespace = new Map<string, number>();
  const lately = kinds.filter(
    ({ calledForMs, namespace }) => calledForMs < settings.keepMs && !closedNamespaces.has(namespace),
  );
  for (const kind of lately.toSorted((a, b) => a.calledForMs - b.calledForMs)) {
    const leftHere = leftByNamespace.get(kind.namespace) ?? settings.perNamespace;
    const size = Math.min(settings.size, left, leftHere);
    left -= size;
    leftByNamespace.set(kind.namespace, leftHere - size);
    sizes.set(kindKey(kind), size);
  }
  return sizes;
}

function isOver({ phase, isLost, ageMs }: PoolPodSeen): boolean {
  return phase === "ended" || phase === "failed" || isLost || (phase === "starting" && ageMs >= startPatienceMs);
}

/** What does not run yet, then the oldest. */
function leastUsefulFirst(a: PoolPodSeen, b: PoolPodSeen): number {
  return Number(a.phase === "running") - Number(b.phase === "running") || b.ageMs - a.ageMs || (a.uid < b.uid ? -1 : 1);
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}

/** How long ago a function was called last, ms, as its routers tell; undefined: they do not. */
export function calledForMs({
  replicas,
  environments,
}: Pick<ScalingSeen, "replicas" | "environments">): number | undefined {
  if (replicas.some(({ needed }) => needed > 0)) return 0;
  const times = environments.flatMap(({ uid }) =>
    replicas.flatMap(({ idleForMsByUid }) => idleForMsByUid.get(uid) ?? []),
  );
  return times.length === 0 ? undefined : Math.min(...times);
}

/** The pod that a function takes: the one that has waited longest of those that can be taken. */
export function pickFromPool<T extends { readonly createdAtMs: number; readonly isFree: boolean }>(
  pods: readonly T[],
): T | undefined {
  return pods.filter(({ isFree }) => isFree).sort((a, b) => a.createdAtMs - b.createdAtMs)[0];
}
