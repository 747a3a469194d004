/** Reads everything that the decision about an Alias needs. */
import { isOwnFunction, referencedName } from "../../../crds/function-reference.ts";
import type { Clock } from "../../../lib/clock.ts";
import { nameHolder } from "../../name-holder.ts";
import type { OperatorCaches } from "../../operator-caches.ts";
import { functionOf, namesOf, partsOf } from "../version/version-function.ts";
import type { ProvisionedWord } from "../../scaling/provisioned.ts";
import { aliasName } from "./alias-name.ts";
import type { AliasSeen } from "./decide.ts";

export interface AliasObserverParts {
  readonly caches: Pick<OperatorCaches, "functions" | "versions" | "aliases">;
  readonly provisionedOf: (functionUid: string) => ProvisionedWord;
  readonly region: string;
  readonly urlOf: AliasSeen["urlOf"];
  readonly clock: Clock;
}

/** Undefined when there is no such Alias (any more). */
export function observeAlias(parts: AliasObserverParts, key: string): AliasSeen | undefined {
  const { caches, provisionedOf, region, urlOf, clock } = parts;
  const object = caches.aliases.get(key);
  if (object === undefined) return undefined;
  const { namespace = "" } = object.metadata;
  const { spec } = object;
  const isForeign = !isOwnFunction(spec, { namespace, region });
  const found = isForeign ? undefined : functionOf(caches.functions, object);
  const names = found === undefined ? undefined : namesOf(found);
  const rivals = names === undefined ? [] : partsOf(caches.aliases, namespace, region, names);
  return {
    object,
    isForeign,
    nameHolder: nameHolder(
      object,
      rivals.filter((other) => aliasName(other) === aliasName(object)),
    ),
    functionTitle:
      spec.functionRef?.from?.name ?? (isForeign ? (spec.functionName ?? "") : (referencedName(spec) ?? "")),
    functionName: names?.name,
    versions: names === undefined ? [] : partsOf(caches.versions, namespace, region, names),
    functionUid: found?.metadata.uid,
    granted: found?.status?.concurrency,
    provisioned: found === undefined ? undefined : provisionedOf(found.metadata.uid),
    region,
    urlOf,
    now: new Date(clock.nowMs()).toISOString(),
  };
}
