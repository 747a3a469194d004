/** Reads everything that the decision about a Function needs. */
import { createHash } from "node:crypto";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { Clock } from "../../../lib/clock.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";
import type { ConfigMaps } from "../../config-maps.ts";
import { nameKey, type OperatorCaches } from "../../operator-caches.ts";
import { environmentState } from "../../scaling/environment-state.ts";
import type { CodeResolver } from "./code-resolver.ts";
import { decideSource } from "./code-source.ts";
import type { Health } from "./conditions.ts";
import type { CodeSeen, FunctionSeen, FunctionSettings } from "./decide.ts";
import { canonicalJson } from "./revision.ts";
import { findUnservedField } from "./served-fields.ts";

export interface FunctionObserverParts {
  readonly caches: OperatorCaches;
  readonly configMaps: Pick<ConfigMaps, "get">;
  readonly resolver: CodeResolver;
  readonly healthOf: (functionUid: string) => Health | undefined;
  readonly settings: FunctionSettings;
  readonly clock: Clock;
}

/** Undefined when there is no such Function (any more). */
export async function observeFunction(
  parts: FunctionObserverParts,
  key: string,
  signal: AbortSignal,
): Promise<FunctionSeen | undefined> {
  const { caches, resolver, healthOf, settings, clock } = parts;
  const object = caches.functions.get(key);
  if (object === undefined) {
    resolver.forget(key);
    return undefined;
  }
  const { uid } = object.metadata;
  const holder = nameHolder(object, caches.functions.byIndex("name", nameKey(object)));
  const states = caches.pods.byIndex("function", uid).map(environmentState);
  return {
    object,
    nameHolder: holder,
    code: holder === undefined ? await seeCode(parts, object, signal) : { type: "resolving" },
    recipes: caches.recipes.byIndex("function", uid),
    environments: {
      total: states.filter(({ phase }) => phase !== "terminating").length,
      ready: states.filter(({ phase }) => phase === "running").length,
    },
    health: healthOf(uid),
    settings,
    hash: sha256,
    now: new Date(clock.nowMs()).toISOString(),
  };
}

/** The oldest that claims the name has it; of two of the same second the one with the smaller uid, as routers see it too. */
function nameHolder(object: Stored<FunctionObject>, claims: readonly Stored<FunctionObject>[]): string | undefined {
  const age = ({ metadata }: Stored<FunctionObject>): string => `${metadata.creationTimestamp} ${metadata.uid}`;
  const [oldest] = claims
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => (age(a) < age(b) ? -1 : 1));
  return oldest === undefined || age(oldest) >= age(object) ? undefined : oldest.metadata.name;
}

async function seeCode(
  { caches, configMaps, resolver }: FunctionObserverParts,
  object: Stored<FunctionObject>,
  signal: AbortSignal,
): Promise<CodeSeen> {
  const { namespace = "", uid } = object.metadata;
  const { code } = object.spec;
  const unserved = findUnservedField(object.spec);
  if (unserved !== undefined) return { type: "refused", ...unserved };
  const name = code.configMapRef?.name;
  const decided = decideSource(code, name === undefined ? undefined : await configMaps.get(namespace, name, signal));
  if (decided.type !== "source") return decided;
  const sourceHash = sha256(canonicalJson(decided.source));
  const key = keyOf(object);
  const known = caches.recipes.byIndex("function", uid).find(({ data }) => data.sourceHash === sourceHash)?.data.code;
  // After a restart the kept recipe says what a source was resolved to.
  if (known !== undefined && !resolver.isRenewing(key)) return { type: "resolved", sourceHash, package: known };
  return resolver.look(key, { namespace, source: decided.source, sourceHash });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
