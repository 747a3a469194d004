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
import type { ProvisionedWord } from "../../scaling/provisioned.ts";
import type { Health } from "../function/conditions.ts";
import type { FunctionSettings } from "../function/settings.ts";
import { isSelfPublished } from "../../self-published.ts";
import type { ConfirmedFunctions } from "./confirmed-functions.ts";
import { decideUnpublished, type VersionSeen } from "./decide.ts";
import type { StepSeen } from "./next-step.ts";
import { candidateOf, snapshotName, type Candidate, type SnapshotObject } from "./snapshot.ts";
import { functionKeyOf, functionOf, namesOf, partsOf } from "./version-function.ts";
import type { VersionRecipes } from "./version-recipes.ts";

export interface VersionObserverParts {
  readonly caches: Pick<OperatorCaches, "functions" | "recipes" | "versions" | "snapshots" | "aliases">;
  readonly numbers: NumberTaker;
  readonly confirmed: ConfirmedFunctions;
  readonly recipes: VersionRecipes;
  readonly healthOf: (functionUid: string, revisionID: string) => Health | undefined;
  readonly provisionedOf: (functionUid: string) => ProvisionedWord;
  readonly settings: Pick<FunctionSettings, "region">;
  readonly clock: Clock;
}

/** Undefined when there is no such Version (any more). */
export async function observeVersion(
  parts: VersionObserverParts,
  key: string,
  signal: AbortSignal,
): Promise<VersionSeen | undefined> {
  const object = parts.caches.versions.get(key);
  if (object === undefined) {
    parts.numbers.forget(key);
    parts.confirmed.forget(key);
    return undefined;
  }
  const isConfirmed = await confirmFunction(parts, object, signal);
  return seeVersion(parts, object, isConfirmed);
}

/** Whether the cache is not behind the Version; true where nothing is to be decided by what $LATEST is. */
async function confirmFunction(
  { caches, confirmed }: VersionObserverParts,
  object: Stored<VersionObject>,
  signal: AbortSignal,
): Promise<boolean> {
  if (ownSnapshot(caches, object) !== undefined) {
    confirmed.forget(keyOf(object));
    return true;
  }
  const found = functionOf(caches.functions, object);
  // What a Function makes by itself is made by what the cache has of it.
  if (found === undefined || isSelfPublished(found, object)) return true;
  return currentCandidate(caches, found) === undefined || (await confirmed.isCurrent(object, found, signal));
}

/** All at once: what the caches hear meanwhile would tear it. */
function seeVersion(parts: VersionObserverParts, object: Stored<VersionObject>, isConfirmed: boolean): VersionSeen {
  const { caches, settings, clock } = parts;
  const found = functionOf(caches.functions, object);
  const own = ownSnapshot(caches, object);
  const seen = { ...seeStep(parts, { object, found, own, isConfirmed }), own };
  const recipe = own === undefined || found === undefined ? undefined : parts.recipes.of(own.data, found.metadata.uid);
  const revisionID = recipe?.document.revisionID;
  return {
    ...seen,
    siblings: siblingsOf(parts, object, found),
    aliases: aliasesOf(parts, object, found),
    number: seeNumber(parts, seen),
    health: revisionID === undefined ? undefined : parts.healthOf(found?.metadata.uid ?? "", revisionID),
    revisionID,
    granted: found?.status?.concurrency,
    provisioned: found === undefined ? undefined : parts.provisionedOf(found.metadata.uid),
    region: settings.region,
    hash: sha256Hex,
    now: new Date(clock.nowMs()).toISOString(),
  };
}

interface Found {
  readonly object: Stored<VersionObject>;
  readonly found: Stored<FunctionObject> | undefined;
  readonly own: Stored<SnapshotObject> | undefined;
  readonly isConfirmed: boolean;
}

function seeStep(parts: VersionObserverParts, { object, found, own, isConfirmed }: Found): StepSeen {
  const { caches, settings } = parts;
  const { namespace = "", uid } = object.metadata;
  const { spec } = object;
  const isForeign = !isOwnFunction(spec, { namespace, region: settings.region });
  const snapshots =
    found === undefined ? [] : caches.snapshots.byIndex("function", functionKeyOf(namespace, namesOf(found).name));
  const siblings = siblingsOf(parts, object, found);
  return {
    object,
    isForeign,
    functionTitle:
      spec.functionRef?.from?.name ?? (isForeign ? (spec.functionName ?? "") : (referencedName(spec) ?? "")),
    function: found,
    // What is published needs it no more.
    current: found === undefined || own !== undefined || !isConfirmed ? undefined : currentCandidate(caches, found),
    snapshots: snapshots.map(({ data }) => data),
    selfPublished: new Set(
      siblings
        .filter((other) => found !== undefined && isSelfPublished(found, other))
        .map(({ metadata }) => metadata.name),
    ),
    waiting: siblings.filter((other) => other.metadata.uid !== uid && ownSnapshot(caches, other) === undefined),
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
  // What the function publishes by itself may make place for a claim of the same: the ledger knows for what its number is.
  const isNoted = number !== undefined || seen.selfPublished.has(object.metadata.name);
  const published = seen.function === undefined ? 0 : publishedNumber(seen.function);
  return numbers.look(key, {
    namespace,
    entry: `function.${wanted.recipe.document.functionName}`,
    floor: Math.max(published, ...snapshots.map(({ version }) => version)),
    purpose: isNoted ? `${uid}/${identity}` : uid,
    holder: uid,
    ...(isNoted && { identity }),
    ...(number !== undefined && {
      claim: { number, holder: uid, identity, isUnused: object.status?.version === undefined },
    }),
  });
}
