import { functionReferenceKeys } from "../../../crds/function-reference.ts";
import { aliasKind, type AliasStatus } from "../../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchPart } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { functionOf, namesOf, type FunctionPart } from "../version/version-function.ts";
import { decideAlias, type AliasSeen } from "./decide.ts";
import { observeAlias, type AliasObserverParts } from "./observe.ts";

/** Wakes for an Alias, its function, and the Versions and Aliases of that. */
export function aliasController(parts: AliasObserverParts): ControllerDefinition<AliasSeen, AliasStatus> {
  const { functions, versions, aliases } = parts.caches;
  const aliasesOf = (object: FunctionObject): readonly string[] =>
    functionReferenceKeys(object.metadata.namespace ?? "", namesOf(object))
      .flatMap((key) => aliases.byIndex("function", key))
      .map(keyOf);
  const siblingsOf = (part: FunctionPart): readonly string[] => {
    const found = functionOf(functions, part);
    return found === undefined ? [] : aliasesOf(found);
  };
  return {
    name: "alias",
    kind: aliasKind,
    observe: (key) => Promise.resolve(observeAlias(parts, key)),
    decide: (seen) => decideAlias(seen),
    watches: [
      watchOwn(aliases),
      watchMapped(aliases, siblingsOf),
      watchMapped(versions, siblingsOf),
      watchPart(
        functions,
        ({ metadata, status }) => [metadata.uid, metadata.deletionTimestamp, status?.concurrency],
        aliasesOf,
      ),
    ],
  };
}
