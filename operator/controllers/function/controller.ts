import { functionKind, type FunctionStatus } from "../../../crds/v1alpha1/function.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchOwned } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { nameKey } from "../../operator-caches.ts";
import { decideFunction, type FunctionSeen } from "./decide.ts";
import { observeFunction, type FunctionObserverParts } from "./observe.ts";

/** Wakes for a Function, the others that claim its name, and its recipes. Its pods, ConfigMap and package answers wake it from outside. */
export function functionController(parts: FunctionObserverParts): ControllerDefinition<FunctionSeen, FunctionStatus> {
  const { functions, recipes } = parts.caches;
  return {
    name: "function",
    kind: functionKind,
    observe: (key, signal) => observeFunction(parts, key, signal),
    decide: (seen) => decideFunction(seen),
    watches: [
      watchOwn(functions),
      watchMapped(functions, (object) => functions.byIndex("name", nameKey(object)).map(keyOf)),
      watchOwned(recipes, functionKind),
    ],
  };
}
