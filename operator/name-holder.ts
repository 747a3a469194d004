import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";

/**
 * `metadata.name` of the older object of those that claim one Lambda name; undefined: `object` has it. Of two of the same second
 * the one with the smaller uid is older, as routers see it too.
 */
export function nameHolder(object: Stored, claims: readonly Stored[]): string | undefined {
  const oldest = oldestOf(claims);
  return oldest === undefined || ageOf(oldest) >= ageOf(object) ? undefined : oldest.metadata.name;
}

/** The one that has the name; those that are being deleted claim nothing. */
export function oldestOf<T extends KubernetesObject>(claims: readonly Stored<T>[]): Stored<T> | undefined {
  return claims
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1))[0];
}

function ageOf({ metadata }: Stored): string {
  return `${metadata.creationTimestamp} ${metadata.uid}`;
}
