/** Reads everything that the decision about a Function needs. */
import { createHash } from "node:crypto";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { Clock } from "../../../lib/clock.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";
import { grantConcurrency, type ConcurrencyObserverParts } from "../../concurrency/observe.ts";
import type { ConfigMaps } from "../../config-maps.ts";
import { nameHolder } from "../../name-holder.ts";
import { nameKey, recipesOf, type OperatorCaches } from "../../operator-caches.ts";
import type { PackageResolver } from "../../package-resolver.ts";
import { decideSource, type PackageSeen } from "../../package-source.ts";
import { withRevision } from "../../source-read.ts";
import { wantedOf } from "../../package-wanted.ts";
import { isOrphan } from "../../restored.ts";
import { environmentState, podsIn } from "../../scaling/environment-state.ts";
import type { Health } from "./conditions.ts";
import type { FunctionSeen } from "./decide.ts";
import type { FunctionSettings } from "./settings.ts";
import type { ImageResolver } from "./image-resolver.ts";
import { seeImage } from "./observe-image.ts";
import { forgetGrants, seeLayers } from "./observe-layers.ts";
import type { RuntimeImageSeen } from "./runtime-image.ts";
import type { RuntimeImages } from "./runtime-images.ts";
import { entryOf } from "./runtime-table.ts";
import { findUnservedField } from "./served-fields.ts";

export interface FunctionObserverParts {
  readonly caches: OperatorCaches;
  readonly configMaps: Pick<ConfigMaps, "get">;
  readonly resolver: PackageResolver;
  /** Of layers of other namespaces. */
  readonly grants: PackageResolver;
  /** Absent where there are no containers. */
  readonly images?: ImageResolver | undefined;
  /** Absent where there are no containers. */
  readonly runtimeImages?: RuntimeImages | undefined;
  readonly healthOf: (functionUid: string, revisionID: string) => Health | undefined;
  readonly concurrency: ConcurrencyObserverParts;
  readonly settings: FunctionSettings;
  readonly clock: Clock;
}

/** Undefined when there is no such Function (any more). */
export async function observeFunction(
  parts: FunctionObserverParts,
  key: string,
  signal: AbortSignal,
): Promise<FunctionSeen | undefined> {
  const { caches, resolver, grants, healthOf, settings, clock } = parts;
  const object = caches.functions.get(key);
  if (object === undefined) {
    resolver.forget(key);
    forgetGrants(grants, key);
    parts.images?.forget(key);
    return undefined;
  }
  const { uid, namespace } = object.metadata;
  const holder = nameHolder(object, caches.functions.byIndex("name", nameKey(object)));
  const recipes = recipesOf(caches, object);
  const serving = recipes.find(({ data }) => data.document.revisionID === object.status?.revisionID)?.data;
  // A backup leaves the status behind, which says what served.
  const restored = recipes.filter(isOrphan).flatMap(({ data }) => data.layers ?? []);
  const states = podsIn(namespace, caches.pods.byIndex("function", uid)).map(environmentState);
  const isImage = holder === undefined && object.spec.packageType === "Image";
  const isPackage = holder === undefined && !isImage;
  const code = isPackage ? await seeCode(parts, object, signal) : ({ type: "resolving" } as const);
  return {
    object,
    nameHolder: holder,
    code,
    recheckAfterMs: code.type === "resolved" ? code.recheck?.afterMs : undefined,
    ...(isImage && seeImage(parts.images, object, recipes, sha256)),
    ...(object.spec.packageType === "Zip" && { runtimeImage: seeRuntimeImage(parts, object) }),
    layers: seeLayers(parts, object, serving === undefined ? restored : (serving.layers ?? [])),
    recipes,
    environments: {
      total: states.filter(({ phase }) => phase !== "terminating").length,
      ready: states.filter(({ phase }) => phase === "running").length,
    },
    ...seeConcurrency(parts, object, holder),
    health: healthOf(uid, object.status?.revisionID ?? ""),
    settings,
    hash: sha256,
    now: new Date(clock.nowMs()).toISOString(),
  };
}

/** What goes, and what has no name of its own, gets nothing. */
function seeConcurrency(
  { concurrency }: FunctionObserverParts,
  object: Stored<FunctionObject>,
  holder: string | undefined,
): Pick<FunctionSeen, "concurrency"> {
  if (holder === undefined && object.metadata.deletionTimestamp === undefined)
    return { concurrency: grantConcurrency(concurrency, object) };
  concurrency.book.withdraw(object);
  return {};
}

async function seeCode(
  { caches, configMaps, resolver, settings }: FunctionObserverParts,
  object: Stored<FunctionObject>,
  signal: AbortSignal,
): Promise<PackageSeen> {
  const { namespace = "" } = object.metadata;
  const { code } = object.spec;
  const unserved = findUnservedField(object.spec);
  if (unserved !== undefined) return { type: "refused", ...unserved };
  const name = code.configMapRef?.name;
  const configMap = name === undefined ? undefined : await configMaps.get(namespace, name, signal);
  const decided = decideSource("code", code, configMap, {
    s3: settings.s3,
    architecture: object.spec.architectures[0],
  });
  if (decided.type !== "source") return decided;
  const wanted = wantedOf(object, decided, sha256);
  const ofSource = recipesOf(caches, object).filter(({ data }) => data.sourceHash === wanted.sourceHash);
  // A source that changes has been read as several: what serves calls is the newest that is known to work.
  const serving = ofSource.find(({ data }) => data.document.revisionID === object.status?.revisionID);
  const kept = (serving ?? ofSource[0])?.data.code;
  // With layers its size counts, of which recipes of an earlier release say nothing.
  const isEnough = kept?.unzippedBytes !== undefined || (object.spec.layers ?? []).length === 0;
  // After a restart the kept recipe says what a source was resolved to.
  return resolver.look(keyOf(object), wanted, isEnough ? withRevision(kept, object.status?.source) : undefined);
}

function seeRuntimeImage(
  { runtimeImages, settings }: FunctionObserverParts,
  { spec }: Stored<FunctionObject>,
): RuntimeImageSeen | undefined {
  const named = entryOf(settings.runtimes, spec.runtime)?.image;
  if (runtimeImages === undefined) return undefined;
  return named === undefined ? { type: "asNamed" } : runtimeImages.look(named, spec.architectures[0] ?? "x86_64");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
