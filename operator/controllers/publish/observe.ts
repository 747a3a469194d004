/** Reads what the decision about a Function's own Versions and Alias needs. */
import type { Clock } from "../../../lib/clock.ts";
import { nameHolder } from "../../name-holder.ts";
import { nameKey, type OperatorCaches } from "../../operator-caches.ts";
import { sha256Hex } from "../../sha256.ts";
import { currentCandidate } from "../version/observe.ts";
import { functionKeyOf, namesOf, partsOf } from "../version/version-function.ts";
import type { PublishSeen } from "./decide.ts";

export interface PublishObserverParts {
  readonly clock: Clock;
  readonly caches: Pick<OperatorCaches, "functions" | "recipes" | "versions" | "snapshots" | "aliases">;
  readonly region: string;
}

/** Undefined when there is no such Function (any more). */
export function observePublishing(
  { caches, region, clock }: PublishObserverParts,
  key: string,
): PublishSeen | undefined {
  const object = caches.functions.get(key);
  if (object === undefined) return undefined;
  const { namespace = "" } = object.metadata;
  const { publish, autoPublishAlias } = object.spec;
  const publishes = publish || autoPublishAlias !== undefined;
  const names = namesOf(object);
  return {
    object,
    current: publishes ? currentCandidate(caches, object) : undefined,
    snapshots: caches.snapshots.byIndex("function", functionKeyOf(namespace, names.name)).map(({ data }) => data),
    versions: partsOf(caches.versions, namespace, region, names),
    aliases: partsOf(caches.aliases, namespace, region, names),
    isShadowed: nameHolder(object, caches.functions.byIndex("name", nameKey(object))) !== undefined,
    hash: sha256Hex,
    now: new Date(clock.nowMs()).toISOString(),
  };
}
