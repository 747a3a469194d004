import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import { keyOf, type Stored } from "../lib/kubernetes/object.ts";
import type { ConfigMap } from "./package-source.ts";

export interface ConfigMapsOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** `namespace/name` of one that came, changed or went. */
  readonly onChange: (key: string) => void;
  readonly onError: (error: KubernetesError) => void;
}

/** A namespace that cannot be listed in this time is tried again by the reconciler, ms. */
const syncTimeoutMs = 15_000;

/** ConfigMaps of those namespaces only in which a Function or Layer takes its package from one: others' are no business of ours. */
export class ConfigMaps {
  readonly #options: ConfigMapsOptions;
  readonly #cacheByNamespace = new Map<string, ObjectCache<ConfigMap>>();

  constructor(options: ConfigMapsOptions) {
    this.#options = options;
  }

  /** The ConfigMap as the watch has it; follows its namespace from now on. */
  async get(namespace: string, name: string, signal: AbortSignal): Promise<Stored<ConfigMap> | undefined> {
    const cache = this.#cacheByNamespace.get(namespace) ?? this.#follow(namespace);
    await cache.synced(AbortSignal.any([signal, AbortSignal.timeout(syncTimeoutMs)]));
    return cache.getBy(namespace, name);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#cacheByNamespace.values()].map((cache) => cache.stop()));
  }

  #follow(namespace: string): ObjectCache<ConfigMap> {
    const { client, clock, onError, onChange } = this.#options;
    const cache = new ObjectCache<ConfigMap>({ client, clock, onError, namespace, kind: kinds.configMap });
    this.#cacheByNamespace.set(namespace, cache);
    cache.onChange(({ object }) => onChange(keyOf(object)));
    cache.start();
    return cache;
  }
}
