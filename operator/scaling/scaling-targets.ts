import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { ControllerRevision, Recipe } from "../controllers/function/recipe.ts";
import type { SnapshotObject } from "../controllers/version/snapshot.ts";
import { functionKeyOf, namesOf } from "../controllers/version/version-function.ts";
import type { VersionRecipes } from "../controllers/version/version-recipes.ts";

/** What a function's environments may be made from. */
export interface FunctionTargets {
  /** $LATEST; undefined: it has no revision that can run yet. */
  readonly latest: Recipe | undefined;
  /** Revision → published version. */
  readonly versions: ReadonlyMap<string, Recipe>;
}

export interface ScalingTargetsOptions {
  /** Synced, as in operator-caches.ts. */
  readonly recipes: ObjectCache<ControllerRevision>;
  readonly snapshots: ObjectCache<SnapshotObject>;
  readonly versionRecipes: VersionRecipes;
}

export function functionTargets(
  { recipes, snapshots, versionRecipes }: ScalingTargetsOptions,
  object: Stored<FunctionObject>,
): FunctionTargets {
  const { namespace, uid } = object.metadata;
  const revisionID = object.status?.revisionID;
  const latest = recipes.byIndex("function", uid).find(({ data }) => data.document.revisionID === revisionID)?.data;
  const published = snapshots
    .byIndex("function", functionKeyOf(namespace, namesOf(object).name))
    .map(({ data }) => versionRecipes.of(data, uid));
  return { latest, versions: new Map(published.map((recipe) => [recipe.document.revisionID, recipe])) };
}

/** Environments of one revision, or those that are no version's: $LATEST's and what is left of former ones. */
export interface ScalingGroup<Environment> {
  readonly recipe: Recipe | undefined;
  readonly environments: readonly Environment[];
}

/** Each version that calls or environments are of by itself: none takes another's environments. Pure. */
export function groupByVersion<Environment extends { readonly revisionID: string }>(
  { latest, versions }: FunctionTargets,
  environments: readonly Environment[],
  reported: ReadonlySet<string>,
): readonly ScalingGroup<Environment>[] {
  const byRevision = Map.groupBy(environments, ({ revisionID }) => revisionID);
  const active = [...versions].filter(([revisionID]) => reported.has(revisionID) || byRevision.has(revisionID));
  const rest = environments.filter(({ revisionID }) => !versions.has(revisionID));
  return [
    { recipe: latest, environments: rest },
    ...active.map(([revisionID, recipe]) => ({ recipe, environments: byRevision.get(revisionID) ?? [] })),
  ];
}
