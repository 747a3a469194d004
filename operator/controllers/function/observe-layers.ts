/** Reads what the decision about a function's layers needs, and lets its namespace read those of others. */
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { LayerObject } from "../../../crds/v1alpha1/layer.ts";
import { accountIdOf } from "../../../crds/names.ts";
import type { Clock } from "../../../lib/clock.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";
import { oldestOf } from "../../name-holder.ts";
import { layerVersionsOf, type OperatorCaches } from "../../operator-caches.ts";
import type { PackageResolver } from "../../package-resolver.ts";
import { restoreMsOf } from "../layer/decide.ts";
import { layerName, newestFirst } from "../layer/layer-version.ts";
import { decideLayers, type LayerOffer, type LayersSeen, type LayerUse } from "./layer-use.ts";

export interface LayerObserverParts {
  readonly caches: Pick<OperatorCaches, "layers" | "layerVersions">;
  /** Of content of other namespaces, under `grantKey`. */
  readonly grants: PackageResolver;
  readonly settings: { readonly region: string };
  readonly clock: Clock;
}

/** More layers than this no function has. Source: Lambda quotas. */
const mostLayers = 5;
const grantRetryMs = 2000;

/** `held`: layers of the revision that serves calls. */
export function seeLayers(
  parts: LayerObserverParts,
  object: Stored<FunctionObject>,
  held: readonly LayerUse[],
): LayersSeen {
  const { settings } = parts;
  const { namespace = "" } = object.metadata;
  const references = object.spec.layers ?? [];
  const findOffer = (accountId: string, name: string): LayerOffer | undefined =>
    findLayer(parts, namespace, { accountId, name });
  const seen = decideLayers({ references, namespace, region: settings.region, findOffer, held });
  return seen.type === "resolved" ? grantAll(parts, object, { ...seen, held }) : seen;
}

/** The function is gone: so are its grants. */
export function forgetGrants(grants: PackageResolver, functionKey: string): void {
  for (let index = 0; index < mostLayers; index++) grants.forget(grantKey(functionKey, index));
}

/** The function that a grant's key belongs to. */
export function functionKeyOf(key: string): string {
  return key.replace(/#[0-9]+$/, "");
}

function grantKey(functionKey: string, index: number): string {
  return `${functionKey}#${index}`;
}

/** For functions of `namespace`. */
function findLayer(
  { caches, clock }: LayerObserverParts,
  namespace: string,
  { accountId, name }: { readonly accountId: string; readonly name: string },
): LayerOffer | undefined {
  const claims = caches.layers.byIndex("account", `${accountId}/${name}`);
  const layer = oldestOf(meantIn(namespace, accountId, claims));
  if (layer === undefined) return undefined;
  const versions = newestFirst(layerVersionsOf(caches, layer));
  const ready = layer.status?.conditions?.find(({ type }) => type === "Ready");
  return {
    problem: ready?.status === "True" ? undefined : ready?.message,
    namespace: layer.metadata.namespace ?? "",
    name: layerName(layer),
    allowedNamespaces: layer.spec.allowedNamespaces ?? [],
    versions,
    awaitRestoreMs: restoreMsOf(layer, versions, new Date(clock.nowMs()).toISOString()),
  };
}

/** Two namespaces may have one account id: whoever is of it means his own namespace, and for others it is nobody's. */
function meantIn(
  namespace: string,
  accountId: string,
  claims: readonly Stored<LayerObject>[],
): readonly Stored<LayerObject>[] {
  if (accountId === accountIdOf(namespace)) return claims.filter(({ metadata }) => metadata.namespace === namespace);
  return new Set(claims.map(({ metadata }) => metadata.namespace)).size > 1 ? [] : claims;
}

/** Content of another namespace is opened to this one in the package store; what the function has already is open. */
function grantAll(
  { grants }: LayerObserverParts,
  object: Stored<FunctionObject>,
  seen: LayersSeen & { readonly type: "resolved"; readonly held: readonly LayerUse[] },
): LayersSeen {
  const { namespace = "" } = object.metadata;
  const { layers, kept } = seen;
  for (const [index, layer] of layers.entries()) {
    if (layer.namespace === namespace || seen.held.includes(layer)) continue;
    const key = grantKey(keyOf(object), index);
    const { digest, namespace: of } = layer;
    const granted = grants.look(key, {
      namespace,
      source: { type: "digest", digest, of },
      sourceHash: `${of}/${digest}`,
    });
    if (granted.type === "resolved") continue;
    // The store lost it, and the Layer is bringing it again.
    if (granted.type === "refused") grants.forget(key);
    const reason = granted.type === "resolving" ? "LayerNotReady" : granted.reason;
    const message =
      granted.type === "resolving" ? `Layer "${layer.name}" is being opened to this namespace` : granted.message;
    return { type: "waiting", reason, message, afterMs: grantRetryMs };
  }
  return { type: "resolved", layers, kept };
}
