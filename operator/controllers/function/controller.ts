import { functionKind, type FunctionStatus } from "../../../crds/v1alpha1/function.ts";
import type { AliasObject } from "../../../crds/v1alpha1/alias.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchOwned } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { accountLayerKey, nameKey } from "../../operator-caches.ts";
import { isOrphan } from "../../restored.ts";
import { layerName } from "../layer/layer-version.ts";
import { functionOf, partKeys, type FunctionPart } from "../version/version-function.ts";
import { decideFunction, type FunctionSeen } from "./decide.ts";
import { observeFunction, type FunctionObserverParts } from "./observe.ts";
import type { ControllerRevision } from "./recipe.ts";

function recipeNameKey({ metadata, data }: ControllerRevision): string {
  return `${metadata.namespace ?? ""}/${data.document.functionName}`;
}

function wantsProvisioned({ spec }: AliasObject | VersionObject): boolean {
  return spec.provisionedConcurrencyConfig !== undefined;
}

/** Wakes for a Function, what of it wants environments kept ready, the others that claim its name, its recipes, and its layers with their versions. Its pods, ConfigMap and package answers wake it from outside. */
export function functionController(parts: FunctionObserverParts): ControllerDefinition<FunctionSeen, FunctionStatus> {
  const { functions, recipes, layers, layerVersions, versions, aliases } = parts.caches;
  const functionKeys = (part: FunctionPart): readonly string[] => {
    const found = functionOf(functions, part);
    return found === undefined ? [] : [keyOf(found)];
  };
  /** An alias that wants environments kept ready may lead to it. */
  const isFollowed = (version: FunctionPart): boolean =>
    partKeys(version).some((key) => aliases.byIndex("function", key).some(wantsProvisioned));
  const usersOf = (namespace: string | undefined, name: string): readonly string[] =>
    functions.byIndex("layer", accountLayerKey(namespace, name)).map(keyOf);
  const orphanOwners = (recipe: ControllerRevision): readonly string[] =>
    isOrphan(recipe) ? functions.byIndex("name", recipeNameKey(recipe)).map(keyOf) : [];
  return {
    name: "function",
    kind: functionKind,
    observe: (key, signal) => observeFunction(parts, key, signal),
    decide: (seen) => decideFunction(seen),
    watches: [
      watchOwn(functions),
      watchMapped(functions, (object) => functions.byIndex("name", nameKey(object)).map(keyOf)),
      watchOwned(recipes, functionKind),
      watchMapped(recipes, orphanOwners),
      watchMapped(layers, (layer) => usersOf(layer.metadata.namespace, layerName(layer))),
      watchMapped(versions, (version) =>
        wantsProvisioned(version) || isFollowed(version) ? functionKeys(version) : [],
      ),
      watchMapped(aliases, (alias) => (wantsProvisioned(alias) ? functionKeys(alias) : [])),
      watchMapped(layerVersions, ({ metadata, data }) => usersOf(metadata.namespace, data.name)),
    ],
  };
}
