/** When time alone makes a difference to a function: with 5,000 of them a look at each every second is most of an operator's work. Pure. */
import type { EnvironmentSeen, ReplicaSeen, ScalingSeen, ScalingTarget } from "./decide.ts";
import { oldestShare } from "./recycling.ts";

/** Whatever else is known: a look now and then costs little. */
const longestMs = 10_000;

/** Milliseconds until decideScaling may answer something else though nobody says anything new; 0: at the next occasion. */
export function nextLookMs({ target, environments, replicas, mayRelease }: ScalingSeen): number {
  if (!mayRelease || replicas.some(({ inDoubtForMsByUid }) => (inDoubtForMsByUid?.size ?? 0) > 0)) return 0;
  if (environments.some(isUnderWay)) return 0;
  if (target === undefined) return longestMs;
  const times = environments.map((environment) => changesInMs(environment, target, replicas));
  return Math.max(0, Math.min(longestMs, ...times));
}

/** It comes, goes, or is about to be replaced. */
function isUnderWay({ phase, isMissed, isCutOff, standsIn, replaces }: EnvironmentSeen): boolean {
  const isSettled = phase === "running" && isMissed !== true && isCutOff !== true;
  return !isSettled || standsIn === true || replaces !== undefined;
}

function changesInMs(
  { uid, ageMs }: EnvironmentSeen,
  { keepAliveMs, maxAgeMs = Infinity }: ScalingTarget,
  replicas: readonly ReplicaSeen[],
): number {
  const idle = replicas.flatMap(({ idleForMsByUid }) => idleForMsByUid.get(uid) ?? []);
  return Math.min(keepAliveMs - Math.max(0, ...idle), maxAgeMs * oldestShare - ageMs);
}
