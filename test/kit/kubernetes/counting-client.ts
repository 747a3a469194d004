import type { KubernetesClient, ListOptions, WatchOptions } from "../../../lib/kubernetes/client.ts";

/** Counts the lists and watches of a real client, and can hold them back. */
export interface CountingClient {
  readonly client: KubernetesClient;
  readonly lists: ListOptions[];
  readonly watches: WatchOptions[];
  /** Lists and watches that begin from now on wait for `letGo`. */
  hold(): void;
  letGo(): void;
}

export function countCalls(real: KubernetesClient): CountingClient {
  const lists: ListOptions[] = [];
  const watches: WatchOptions[] = [];
  let held: PromiseWithResolvers<undefined> | undefined;
  const client: KubernetesClient = {
    get: (ref, options) => real.get(ref, options),
    create: (object, options) => real.create(object, options),
    update: (object, options) => real.update(object, options),
    apply: (object, options) => real.apply(object, options),
    patch: (ref, patch, options) => real.patch(ref, patch, options),
    delete: (ref, options) => real.delete(ref, options),
    raw: (method, path, body, options) => real.raw(method, path, body, options),
    list: async (kind, options = {}) => {
      await held?.promise;
      lists.push(options);
      return await real.list(kind, options);
    },
    watch: async function* (kind, options) {
      await held?.promise;
      watches.push(options);
      yield* real.watch(kind, options);
    },
  };
  const letGo = (): void => {
    held?.resolve(undefined);
    held = undefined;
  };
  const hold = (): void => void (held ??= Promise.withResolvers());
  return { client, lists, watches, hold, letGo };
}

/** Keeps a line for each request that may change something. */
export function countWrites(real: KubernetesClient): { readonly client: KubernetesClient; readonly writes: string[] } {
  const writes: string[] = [];
  const client: KubernetesClient = {
    get: (ref, options) => real.get(ref, options),
    list: (kind, options) => real.list(kind, options),
    watch: (kind, options) => real.watch(kind, options),
    raw: (method, path, body, options) => real.raw(method, path, body, options),
    create: (object, options) => {
      writes.push(`create ${object.metadata.name}`);
      return real.create(object, options);
    },
    update: (object, options) => {
      writes.push(`update ${object.metadata.name}`);
      return real.update(object, options);
    },
    apply: (object, options) => {
      writes.push(`apply ${object.metadata.name}`);
      return real.apply(object, options);
    },
    patch: (ref, patch, options) => {
      writes.push(`patch ${ref.name}`);
      return real.patch(ref, patch, options);
    },
    delete: (ref, options) => {
      writes.push(`delete ${ref.name}`);
      return real.delete(ref, options);
    },
  };
  return { client, writes };
}
