import { functionKind } from "../../../crds/v1alpha1/function.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchOwned } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { functionOf, type FunctionPart } from "../version/version-function.ts";
import { decidePublishing, type PublishSeen } from "./decide.ts";
import { observePublishing, type PublishObserverParts } from "./observe.ts";

/** Beside the function's controller: makes Versions and the Alias of Functions that ask for it. Wakes for a Function, its recipes, and the Versions and Aliases that name it. */
export function publishController(parts: PublishObserverParts): ControllerDefinition<PublishSeen, never> {
  const { functions, recipes, versions, snapshots, aliases } = parts.caches;
  const ownerOf = (part: FunctionPart): readonly string[] => {
    const found = functionOf(functions, part);
    return found === undefined ? [] : [keyOf(found)];
  };
  return {
    name: "publish",
    kind: functionKind,
    observe: (key) => Promise.resolve(observePublishing(parts, key)),
    decide: (seen) => decidePublishing(seen),
    watches: [
      watchOwn(functions),
      watchOwned(recipes, functionKind),
      watchMapped(versions, ownerOf),
      watchMapped(aliases, ownerOf),
      watchMapped(snapshots, ({ metadata, data }) =>
        functions.byIndex("name", `${metadata.namespace ?? ""}/${data.functionName}`).map(keyOf),
      ),
    ],
  };
}
