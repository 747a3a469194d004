/** Environments whose time is over, and those that somebody takes away: which get a successor, and which may go. Pure. */
import type { EnvironmentPhase } from "./environment-phase.ts";

export interface RecyclableSeen {
  readonly uid: string;
  readonly phase: EnvironmentPhase;
  /** It can be called. */
  readonly isReady: boolean;
  readonly ageMs: number;
  /** -1: in use, or nobody has it. */
  readonly idleForMs: number;
  /** uid of the environment that this one was made to replace. */
  readonly replaces?: string | undefined;
}

export interface RecyclingSeen {
  /** Of one revision; none that is asked back. */
  readonly environments: readonly RecyclableSeen[];
  /** Successors that were created and have not been seen yet: what they replace. */
  readonly creating: ReadonlySet<string>;
  /** An environment that is older is replaced; Infinity: never. */
  readonly maxAgeMs: number;
  readonly keepAliveMs: number;
  /** So many are kept even where nobody calls. */
  readonly floor: number;
  /** False: there can be no successor now. */
  readonly mayReplace: boolean;
}

export interface Recycling {
  /** uids of environments that get a successor each. */
  readonly replace: readonly string[];
  /** uids of environments that have one, or need none. */
  readonly retire: readonly string[];
}

/** Who was called within this time is called again. */
export const recentMs = 60_000;
/** Environments that began together do not end together: each goes within this last share of its time. */
const spread = 0.1;
/** Of its longest time: none is old before. */
export const oldestShare = 1 - spread;
/** A share of the environments that is replaced at a time. */
const atOnceShare = 0.1;

/** Each old one in demand is replaced before it goes, some at a time; what nobody has called for a while goes without a successor. */
export function decideRecycling(seen: RecyclingSeen): Recycling {
  const { environments, creating, mayReplace } = seen;
  const old = environments.filter((environment) => isOld(environment, seen.maxAgeMs));
  if (old.length === 0) return { replace: [], retire: [] };
  const successorOf = new Map(environments.map((environment) => [environment.replaces, environment]));
  const kept = keptOf(old, seen);
  const retire = old.filter(({ uid }) => !kept.has(uid) || successorOf.get(uid)?.isReady === true);
  const waiting = [...kept].filter((uid) => !successorOf.has(uid) && !creating.has(uid));
  const underWay = environments.filter(({ isReady, replaces }) => !isReady && replaces !== undefined).length;
  const atOnce = Math.max(1, Math.ceil(environments.length * atOnceShare)) - underWay - creating.size;
  return {
    replace: mayReplace ? waiting.slice(0, Math.max(0, atOnce)) : [],
    retire: retire.map(({ uid }) => uid),
  };
}

/** Of one that is old: whether its time is over. A part of its random uid says how much before the longest time. */
export function isOld(
  { uid, phase, ageMs }: Pick<RecyclableSeen, "uid" | "phase" | "ageMs">,
  maxAgeMs: number,
): boolean {
  const drawn = Number.parseInt(uid.slice(0, 8), 16) / 0x1_0000_0000;
  return phase === "running" && ageMs >= maxAgeMs * (1 - spread * (Number.isNaN(drawn) ? 0 : drawn));
}

/** The last one of a function that is still kept alive too: its next call is not to find it gone. */
function keptOf(old: readonly RecyclableSeen[], { environments, keepAliveMs, floor }: RecyclingSeen): Set<string> {
  const busyFirst = old.toSorted((a, b) => a.idleForMs - b.idleForMs);
  const recent = busyFirst.filter(({ idleForMs }) => idleForMs < Math.min(recentMs, keepAliveMs));
  const young = environments.length - old.length;
  const least = Math.max(floor - young, young === 0 ? 1 : 0);
  return new Set(busyFirst.slice(0, Math.max(recent.length, least)).map(({ uid }) => uid));
}
