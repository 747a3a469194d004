import type { ControllerDefinition } from "../../../lib/kubernetes/controller.ts";
import { watchOwn } from "../../../lib/kubernetes/controller-watch.ts";
import type { ObjectCache } from "../../../lib/kubernetes/object-cache.ts";
import { decideNotServed, type NotServedObject, type NotServedSeen, type NotServedStatus } from "./decide.ts";

/** For one of the kinds that this release keeps without running them. */
export function notServedController(
  cache: ObjectCache<NotServedObject>,
): ControllerDefinition<NotServedSeen, NotServedStatus> {
  return {
    name: cache.kind.plural,
    kind: cache.kind,
    observe: (key) => {
      const object = cache.get(key);
      return Promise.resolve(object === undefined ? undefined : { object });
    },
    decide: decideNotServed,
    watches: [watchOwn(cache)],
  };
}
