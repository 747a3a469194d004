import type { ObjectCache } from "./object-cache.ts";
import { controllerOf, keyOf, type KindRef, type KubernetesObject, objectKey, type Stored } from "./object.ts";

/** What wakes a controller: changes in a cache, turned into the keys of objects that it reconciles. */
export interface ControllerWatch {
  synced(signal: AbortSignal): Promise<void>;
  /** Keys for all that is in the cache now: every controller begins by looking at everything. */
  keys(): Iterable<string>;
  /** Returns how to end it. */
  subscribe(wake: (key: string) => void): () => void;
}

/** Wakes for the keys that `toKeys` gives, of the state before a change as well as after it. */
export function watchMapped<T extends KubernetesObject>(
  cache: ObjectCache<T>,
  toKeys: (object: Stored<T>) => readonly string[],
): ControllerWatch {
  return {
    synced: (signal) => cache.synced(signal),
    keys: () => new Set(cache.list().flatMap(toKeys)),
    subscribe: (wake) =>
      cache.onChange(({ object, previous }) => {
        for (const key of new Set([...toKeys(object), ...(previous === undefined ? [] : toKeys(previous))])) wake(key);
      }),
  };
}

/** As `watchMapped`, for changes only in what `read` gives: other parts of busy objects wake nobody. */
export function watchPart<T extends KubernetesObject>(
  cache: ObjectCache<T>,
  read: (object: Stored<T>) => unknown,
  toKeys: (object: Stored<T>) => readonly string[],
): ControllerWatch {
  const isSame = (a: Stored<T>, b: Stored<T>): boolean => JSON.stringify(read(a)) === JSON.stringify(read(b));
  return {
    ...watchMapped(cache, toKeys),
    subscribe: (wake) =>
      cache.onChange(({ type, object, previous }) => {
        if (type === "modified" && previous !== undefined && isSame(object, previous)) return;
        for (const key of new Set([...toKeys(object), ...(previous === undefined ? [] : toKeys(previous))])) wake(key);
      }),
  };
}

/** Wakes for the objects of the cache themselves. */
export function watchOwn<T extends KubernetesObject>(cache: ObjectCache<T>): ControllerWatch {
  return watchMapped(cache, (object) => [keyOf(object)]);
}

/** Wakes for the managing owner of a changed object, where it is of this kind. */
export function watchOwned<T extends KubernetesObject>(cache: ObjectCache<T>, owner: KindRef): ControllerWatch {
  return watchMapped(cache, (object) => {
    const found = controllerOf(object);
    if (found?.kind !== owner.kind || found.apiVersion.split("/")[0] !== owner.apiVersion.split("/")[0]) return [];
    return [objectKey(owner.namespaced ? object.metadata.namespace : undefined, found.name)];
  });
}
