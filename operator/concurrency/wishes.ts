/** From Aliases and Versions to what they want kept ready. Pure. */
import { effectiveRoute, type AliasRoute } from "../../crds/alias-route.ts";
import { LATEST } from "../../crds/names.ts";
import type { AliasObject } from "../../crds/v1alpha1/alias.ts";
import type { VersionObject } from "../../crds/v1alpha1/version.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { aliasName } from "../controllers/alias/alias-name.ts";
import { oldestOf } from "../name-holder.ts";
import type { ProvisionedWish } from "./conflicts.ts";

/** `versions`, `aliases`: all of one function. Of two objects that stand for one qualifier the older is heard. */
export function provisionedWishes(
  versions: readonly Stored<VersionObject>[],
  aliases: readonly Stored<AliasObject>[],
): readonly ProvisionedWish[] {
  const wanting = [
    ...versions.filter(isWanted).flatMap((version) => {
      const number = version.status?.version;
      return number === undefined ? [] : [{ object: version, qualifier: String(number), shares: { [number]: 1 } }];
    }),
    ...[...Map.groupBy(aliases.filter(isThere), aliasName).values()]
      .flatMap((same) => oldestOf(same) ?? [])
      .filter(isWanted)
      .map((alias) => ({
        object: alias,
        qualifier: aliasName(alias),
        shares: sharesOf(effectiveRoute(alias, versions)),
      })),
  ];
  return [...Map.groupBy(wanting, ({ qualifier }) => qualifier).values()].flatMap((same) => {
    const found = same.toSorted((a, b) => byAge(a.object, b.object))[0];
    if (found === undefined) return [];
    const { object, qualifier, shares } = found;
    const requested = object.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions ?? 0;
    return [{ qualifier, order: orderOf(object), requested, shares }];
  });
}

/** The Version that is heard in the place of `object`, which stands for the number too: an older one. `versions`: all of the function. */
export function provisionedHolder(
  object: Stored<VersionObject>,
  number: number,
  versions: readonly Stored<VersionObject>[],
): Stored<VersionObject> | undefined {
  return versions
    .filter((other) => other.status?.version === number && isWanted(other) && byAge(other, object) < 0)
    .toSorted(byAge)[0];
}

/** Version → share of the calls; $LATEST is never kept ready. */
export function sharesOf(route: AliasRoute | undefined): Readonly<Record<string, number>> {
  if (route === undefined || route.functionVersion === LATEST) return {};
  const additional = Object.entries(route.additionalVersionWeights).filter(([, weight]) => weight > 0);
  const rest = 1 - additional.reduce((total, [, weight]) => total + weight, 0);
  return Object.fromEntries([...(rest > 0 ? [[route.functionVersion, rest] as const] : []), ...additional]);
}

/** Older objects first. */
export function orderOf({ metadata }: Stored): string {
  return `${metadata.creationTimestamp} ${metadata.uid}`;
}

function byAge(a: Stored, b: Stored): number {
  const [one, other] = [orderOf(a), orderOf(b)];
  return one === other ? 0 : one < other ? -1 : 1;
}

function isThere({ metadata }: Stored): boolean {
  return metadata.deletionTimestamp === undefined;
}

function isWanted(object: Stored<VersionObject> | Stored<AliasObject>): boolean {
  return isThere(object) && (object.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions ?? 0) > 0;
}
