import { layerKind, type LayerStatus } from "../../../crds/v1alpha1/layer.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchOwned } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { layerKey } from "../../operator-caches.ts";
import { isOrphan } from "../../restored.ts";
import { decideLayer, type LayerSeen } from "./decide.ts";
import type { LayerVersionObject } from "./layer-version.ts";
import { observeLayer, type LayerObserverParts } from "./observe.ts";

/** Wakes for a Layer, the others that claim its name, and its versions. Its ConfigMap, package answers and numbers wake it from outside. */
export function layerController(parts: LayerObserverParts): ControllerDefinition<LayerSeen, LayerStatus> {
  const { layers, layerVersions } = parts.caches;
  const orphanOwners = (object: LayerVersionObject): readonly string[] =>
    isOrphan(object) ? layers.byIndex("name", `${object.metadata.namespace ?? ""}/${object.data.name}`).map(keyOf) : [];
  return {
    name: "layer",
    kind: layerKind,
    observe: (key, signal) => observeLayer(parts, key, signal),
    decide: (seen) => decideLayer(seen),
    watches: [
      watchOwn(layers),
      watchMapped(layers, (object) => layers.byIndex("name", layerKey(object)).map(keyOf)),
      watchOwned(layerVersions, layerKind),
      watchMapped(layerVersions, orphanOwners),
    ],
  };
}
