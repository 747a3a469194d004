/** Which aliases keep a Version from going. Pure. */
import { effectiveRoute, versionsOf } from "../../../crds/alias-route.ts";
import type { AliasObject } from "../../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { aliasName } from "../alias/alias-name.ts";

export interface HoldersSeen {
  readonly object: Stored<VersionObject>;
  readonly function: Stored<FunctionObject> | undefined;
  /** All Versions of the function. */
  readonly siblings: readonly Stored<VersionObject>[];
  readonly aliases: readonly Stored<AliasObject>[];
}

/** Names of aliases, sorted. Without its function nothing can be called, and with aliases that go too nothing is held: so a namespace can end. */
export function decideHolders({ object, function: found, siblings, aliases }: HoldersSeen, version: number): string[] {
  if (found === undefined || found.metadata.deletionTimestamp !== undefined) return [];
  const standing = siblings.some(
    ({ metadata, status }) =>
      metadata.uid !== object.metadata.uid && metadata.deletionTimestamp === undefined && status?.version === version,
  );
  return aliases
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter((alias) => isNamed(alias, object) || (!standing && needs(alias, siblings, version)))
    .map(aliasName)
    .sort();
}

/** By its object: the number alone would not find it again. */
function isNamed({ spec }: AliasObject, { metadata }: VersionObject): boolean {
  return spec.functionVersion === metadata.name && !/^[0-9]+$/.test(metadata.name);
}

function needs(alias: AliasObject, versions: readonly Stored<VersionObject>[], version: number): boolean {
  const named = [alias.spec.functionVersion, ...Object.keys(alias.spec.routingConfig?.additionalVersionWeights ?? {})];
  if (named.some((number) => number !== undefined && Number(number) === version)) return true;
  const route = effectiveRoute(alias, versions);
  return route !== undefined && versionsOf(route).includes(String(version));
}
