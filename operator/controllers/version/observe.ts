/** Reads everything that the decision about a Version needs. */
import { functionReferenceKey, isOwnFunction, referencedName } from "../../../crds/function-reference.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { Clock } from "../../../lib/clock.ts";
import { controllerOf, keyOf, objectKey, type Stored } from "../../../lib/kubernetes/object.ts";
import type { NumberTaker } from "../../number-taker.ts";
import type { OperatorCaches } from "../../operator-caches.ts";
import { publishedNumber } from "../../restored.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Health } from "../function/conditions.ts";
import type { FunctionSettings } from "../function/settings.ts";
import { decideUnpublished, type VersionSeen } from "./decide.ts";
import type { StepSeen } from "./next-step.ts";
import { candidateOf, snapshotName, type Candidate, type SnapshotObject } from "./snapshot.ts";
import { functionKeyOf, functionOf, namesOf, partsOf } from "./version-function.ts";
import type { VersionRecipes } from "./version-recipes.ts";

export interface VersionObserverParts {
  readonly caches: Pick<OperatorCaches, "functions" | "recipes" | "versions" | "snapshots" | "aliases">;
  readonly numbers: NumberTaker;
  readonly recipes: VersionRecipes;
  readonly healthOf: (functionUid: string, revisionID: string) => Health | undefined;
  readonly settings: Pick<FunctionSettings, "region">;
  readonly clock: Clock;
}

/** Undefined when there is no such Version (any more). */
export function observeVersion(parts: VersionObserverParts, key: string): VersionSeen | undefined {
  const { caches, numbers, settings, clock } = parts;
  const object = caches.versions.get(key);
  if (object === undefined) {
    numbers.forget(key);
    return undefined;
  }
  const found = functionOf(caches.functions, object);
  const own = ownSnapshot(caches, object);
  const seen = { ...seeStep(parts, object, found, own), own };
  const recipe = own === undefined || found === undefined ? undefined : parts.recipes.of(own.data, found.metadata.uid);
  const revisionID = recipe?.document.revisionID;
  return {
    ...seen,
    siblings: siblingsOf(parts, object, found),
    aliases: aliasesOf(parts, object, found),
    number: seeNumber(parts, seen),
    health: revisionID === undefined ? undefined : parts.healthOf(found?.metadata.uid ?? "", revisionID),
    revisionID,
    region: settings.region,
    hash: sha256Hex,
    now: new Date(clock.nowMs()).toISOString(),
  };
}

function seeStep(
  parts: VersionObserverParts,
  object: Stored<VersionObject>,
  found: Stored<FunctionObject> | undefined,
  own: Stored<SnapshotObject> | undefined,
): StepSeen {
  const { caches, settings } = parts;
  const { namespace = "", uid } = object.metadata;
  const { spec } = object;
  const isForeign = !isOwnFunction(spec, { namespace, region: settings.region });
  const snapshots =
    found === undefined ? [] : caches.snapshots.byIndex("function", functionKeyOf(namespace, namesOf(found).name));
  return {
    object,
    isForeign,
    functionTitle:
      spec.functionRef?.from?.name ?? (isForeign ? (spec.functionName ?? "") : (referencedName(spec) ?? "")),
    function: found,
    // What is published needs it no more.
    current: found === undefined || own !== undefined ? undefined : currentCandidate(caches, found),
    snapshots: snapshots.map(({ data }) => data),
    waiting: siblingsOf(parts, object, found).filter(
      (other) => other.metadata.uid !== uid && ownSnapshot(caches, other) === undefined,
    ),
  };
}

/** What has no owner any more came from a backup: it is this Version's by its name. */
function ownSnapshot(
  { snapshots }: VersionObserverParts["caches"],
  object: Stored<VersionObject>,
): Stored<SnapshotObject> | undefined {
  const found = snapshots.get(objectKey(object.metadata.namespace, snapshotName(object, sha256Hex)));
  if (found === undefined || found.metadata.deletionTimestamp !== undefined) return undefined;
  const owner = controllerOf(found);
  return owner === undefined || owner.uid === object.metadata.uid ? found : undefined;
}

/** $LATEST, once its present spec runs. */
export function currentCandidate(
  { recipes }: Pick<OperatorCaches, "recipes">,
  { metadata, spec, status }: Stored<FunctionObject>,
): Candidate | undefined {
  const isCurrent = status?.observedGeneration === metadata.generation && status?.lastUpdateStatus === "Successful";
  if (!isCurrent || metadata.deletionTimestamp !== undefined) return undefined;
  const recipe = recipes
    .byIndex("function", metadata.uid)
    .find(({ data }) => data.document.revisionID === status.revisionID)?.data;
  return recipe === undefined ? undefined : candidateOf(spec, recipe, sha256Hex);
}

function siblingsOf(
  { caches, settings }: VersionObserverParts,
  object: Stored<VersionObject>,
  found: Stored<FunctionObject> | undefined,
): readonly Stored<VersionObject>[] {
  const { namespace = "" } = object.metadata;
  return found === undefined
    ? caches.versions.byIndex("function", functionReferenceKey(namespace, object.spec))
    : partsOf(caches.versions, namespace, settings.region, namesOf(found));
}

function aliasesOf(
  { caches, settings }: VersionObserverParts,
  { metadata }: Stored<VersionObject>,
  found: Stored<FunctionObject> | undefined,
): VersionSeen["aliases"] {
  return found === undefined ? [] : partsOf(caches.aliases, metadata.namespace ?? "", settings.region, namesOf(found));
}

/** Takes a number as soon as there is something to publish, and forgets it when that is published. */
function seeNumber(
  { numbers }: VersionObserverParts,
  seen: StepSeen & Pick<VersionSeen, "own">,
): VersionSeen["number"] {
  const { object, snapshots } = seen;
  const key = keyOf(object);
  const wanted = decideUnpublished(seen);
  if (wanted === undefined) {
    if (seen.own !== undefined) numbers.forget(key);
    return undefined;
  }
  const { namespace = "", uid } = object.metadata;
  const identity = wanted.identity.slice(0, 16);
  const { version: number } = object.spec;
  const published = seen.function === undefined ? 0 : publishedNumber(seen.function);
  return numbers.look(key, {
    namespace,
    entry: `function.${wanted.recipe.document.functionName}`,
    floor: Math.max(published, ...snapshots.map(({ version }) => version)),
    purpose: number === undefined ? uid : `${uid}/${identity}`,
    holder: uid,
    ...(number !== undefined && {
      claim: { number, holder: uid, identity, isUnused: object.status?.version === undefined },
    }),
  });
}
