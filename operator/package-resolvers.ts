/** What the leader asks the package store for: code of functions, content of layers, and layers of other namespaces. */
import { accountIdOf } from "../crds/names.ts";
import type { Clock } from "../lib/clock.ts";
import { keyOf, type Stored } from "../lib/kubernetes/object.ts";
import { forgetGrants, functionKeyOf } from "./controllers/function/observe-layers.ts";
import type { ControllerRevision } from "./controllers/function/recipe.ts";
import { layerVersionsOf, type OperatorCaches } from "./operator-caches.ts";
import { PackageResolver } from "./package-resolver.ts";
import type { PackagesByNamespace, PackageStoreClient } from "./package-store.ts";
import type { SecretFetch } from "./secret-fetch.ts";

export interface PackageResolversOptions {
  readonly store: PackageStoreClient;
  /** Absent: no pods can be given Secrets. */
  readonly secretFetch?: SecretFetch | undefined;
  readonly caches: OperatorCaches;
  readonly clock: Clock;
  readonly draw: () => number;
  readonly onError: (error: unknown) => void;
  readonly wakeFunction: (key: string) => void;
  readonly wakeLayer: (key: string) => void;
}

export interface PackageResolvers {
  readonly code: PackageResolver;
  readonly content: PackageResolver;
  readonly grants: PackageResolver;
  /** The store may have lost what this function runs with. */
  renew(functionKey: string): void;
  /** The store lacks these. */
  renewMissing(missing: PackagesByNamespace): void;
  stop(): void;
}

export function createPackageResolvers(options: PackageResolversOptions): PackageResolvers {
  const { caches, wakeFunction, wakeLayer } = options;
  const code = new PackageResolver({ ...options, use: "code", onChange: wakeFunction });
  const content = new PackageResolver({ ...options, use: "layer", onChange: wakeLayer });
  const grants = new PackageResolver({ ...options, use: "layer", onChange: (key) => wakeFunction(functionKeyOf(key)) });
  const renew = (functionKey: string): void => {
    for (const key of layersOf(caches, functionKey)) content.renew(key);
    forgetGrants(grants, functionKey);
    code.renew(functionKey);
  };
  return {
    ...{ code, content, grants, renew },
    renewMissing(missing) {
      for (const [namespace, digests] of Object.entries(missing)) {
        const lacking = new Set(digests);
        for (const key of functionsWith(caches, namespace, lacking)) renew(key);
        for (const key of layersWith(caches, namespace, lacking)) content.renew(key);
      }
    },
    stop() {
      for (const resolver of [code, content, grants]) resolver.stop();
    },
  };
}

/** Keys of the Layers that the function's revision was made with and that are still there. */
function layersOf(caches: OperatorCaches, functionKey: string): readonly string[] {
  const object = caches.functions.get(functionKey);
  const recipes = object === undefined ? [] : caches.recipes.byIndex("function", object.metadata.uid);
  const serving = recipes.find(({ data }) => data.document.revisionID === object?.status?.revisionID)?.data;
  return (serving?.layers ?? []).flatMap(({ namespace, name }) =>
    caches.layers.byIndex("account", `${accountIdOf(namespace)}/${name}`).map(keyOf),
  );
}

/** Keys of the namespace's Functions whose revisions run with one of these. */
function functionsWith(caches: OperatorCaches, namespace: string, digests: ReadonlySet<string>): readonly string[] {
  const isLacking = ({ data: { code, layers = [] } }: Stored<ControllerRevision>): boolean =>
    [code, ...layers].some(({ digest }) => digests.has(digest));
  return caches.functions
    .list()
    .filter(({ metadata }) => metadata.namespace === namespace)
    .filter(({ metadata }) => caches.recipes.byIndex("function", metadata.uid).some(isLacking))
    .map(keyOf);
}

/** Keys of the namespace's Layers of which one of these is a version. */
function layersWith(caches: OperatorCaches, namespace: string, digests: ReadonlySet<string>): readonly string[] {
  return caches.layers
    .list()
    .filter((layer) => layer.metadata.namespace === namespace)
    .filter((layer) => layerVersionsOf(caches, layer).some(({ data }) => digests.has(data.digest)))
    .map(keyOf);
}
