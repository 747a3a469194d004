import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { GenericIDs } from "./generic-ids.ts";
import type { GenericPoolOptions } from "./generic-pool.ts";
import { functionTargets, type ScalingTargetsOptions } from "./scaling-targets.ts";

export interface PoolUsesOptions extends ScalingTargetsOptions {
  /** Synced, with the index "uid". */
  readonly functions: ObjectCache<FunctionObject>;
  readonly genericIDs: GenericIDs;
}

/** Which functions could use which generic pods, as caches have it now. */
export function poolUses(options: PoolUsesOptions): Pick<GenericPoolOptions, "recipeOf" | "userOf"> {
  const { functions, genericIDs } = options;
  return {
    recipeOf: (uid, revisionID) => {
      const [object] = functions.byIndex("uid", uid);
      const { latest, versions } = object === undefined ? {} : functionTargets(options, object);
      return versions?.get(revisionID) ?? latest;
    },
    userOf: ({ namespace, genericID }) => {
      const user = functions.list().find((object) => {
        if (object.metadata.namespace !== namespace) return false;
        const { latest } = functionTargets(options, object);
        return latest !== undefined && genericIDs.of(latest) === genericID;
      });
      const revisionID = user?.status?.revisionID;
      if (user === undefined || revisionID === undefined) return undefined;
      return { namespace, functionUid: user.metadata.uid, revisionID };
    },
  };
}
