import { functionReferenceKeys } from "../../../crds/function-reference.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import { versionKind, type VersionStatus } from "../../../crds/v1alpha1/version.ts";
import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchMapped, watchOwn, watchPart } from "../../../lib/kubernetes/controller-watch.ts";
import { keyOf } from "../../../lib/kubernetes/object.ts";
import { decideVersion, type VersionSeen } from "./decide.ts";
import { observeVersion, type VersionObserverParts } from "./observe.ts";
import { functionOf, namesOf, type FunctionPart } from "./version-function.ts";

/** Wakes for a Version, its snapshot, its function, and the Versions and Aliases of that. Numbers wake it from outside. */
export function versionController(parts: VersionObserverParts): ControllerDefinition<VersionSeen, VersionStatus> {
  const { functions, versions, snapshots, aliases } = parts.caches;
  const versionsOf = (object: FunctionObject): readonly string[] =>
    functionReferenceKeys(object.metadata.namespace ?? "", namesOf(object))
      .flatMap((key) => versions.byIndex("function", key))
      .map(keyOf);
  const siblingsOf = (part: FunctionPart): readonly string[] => {
    const found = functionOf(functions, part);
    return found === undefined ? [] : versionsOf(found);
  };
  return {
    name: "version",
    kind: versionKind,
    observe: (key, signal) => observeVersion(parts, key, signal),
    decide: (seen) => decideVersion(seen),
    watches: [
      watchOwn(versions),
      watchMapped(versions, siblingsOf),
      // By its name: what a backup brings back has no owner.
      watchMapped(snapshots, (object) => versions.byIndex("snapshot", keyOf(object)).map(keyOf)),
      watchPart(functions, publishable, versionsOf),
      watchMapped(aliases, siblingsOf),
    ],
  };
}

/** What of a Function makes a difference to its Versions: not how many environments it has. */
function publishable({ metadata, status }: FunctionObject): unknown {
  const { revisionID, observedGeneration, lastUpdateStatus, concurrency, conditions = [] } = status ?? {};
  const ready = conditions.find(({ type }) => type === "Ready");
  const { generation, deletionTimestamp, uid } = metadata;
  const published = [revisionID, observedGeneration, lastUpdateStatus, ready?.message];
  return [uid, generation, deletionTimestamp, ...published, concurrency?.provisioned, concurrency?.refused];
}
