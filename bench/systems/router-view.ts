import { aliasKind, type AliasObject } from "../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { versionKind, type VersionObject } from "../../crds/v1alpha1/version.ts";
import { systemClock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { aliasIndexes, partIndexes } from "../../runtime-proxy/environments/kubernetes-versions.ts";
import { functionIndexes, KubernetesFunctions } from "../../runtime-proxy/environments/kubernetes-functions.ts";

/** What a router knows of functions and their versions, from the watches that a router has. */
export class RouterView {
  readonly #functions: ObjectCache<FunctionObject>;
  readonly #versions: ObjectCache<VersionObject>;
  readonly #aliases: ObjectCache<AliasObject>;
  #directory: KubernetesFunctions | undefined;
  readonly #waiting = new Map<string, () => void>();

  constructor(client: KubernetesClient) {
    const options = { client, clock: systemClock };
    this.#functions = new ObjectCache<FunctionObject>({ ...options, kind: functionKind, indexes: functionIndexes });
    this.#versions = new ObjectCache<VersionObject>({ ...options, kind: versionKind, indexes: partIndexes });
    this.#aliases = new ObjectCache<AliasObject>({ ...options, kind: aliasKind, indexes: aliasIndexes });
  }

  async start(): Promise<void> {
    const caches = [this.#functions, this.#versions, this.#aliases];
    for (const cache of caches) cache.start();
    await Promise.all(caches.map((cache) => cache.synced()));
    const published = { versions: this.#versions, aliases: this.#aliases };
    this.#directory = new KubernetesFunctions(this.#functions, published, "us-east-1");
    this.#directory.onChange((_uid, facts) => {
      if (facts !== undefined) this.#waiting.get(`${facts.namespace}/${facts.name}`)?.();
    });
  }

  isRoutable(namespace: string, name: string, version: number): boolean {
    const uid = this.#directory?.find(namespace, name)?.uid;
    return uid !== undefined && this.#directory?.findVersion(uid, String(version)) !== undefined;
  }

  /** 0: it has none. */
  newestVersion(namespace: string, name: string): number {
    const uid = this.#directory?.find(namespace, name)?.uid ?? "";
    const numbers = this.#directory?.versionsOf(uid).map(({ version }) => Number(version)) ?? [];
    return Math.max(0, ...numbers.filter(Number.isInteger));
  }

  /** The version to which an alias leads all calls; undefined: none. */
  versionOf(namespace: string, name: string, alias: string): string | undefined {
    const uid = this.#directory?.find(namespace, name)?.uid ?? "";
    return this.#directory?.findAlias(uid, alias)?.functionVersion;
  }

  /** The moment, by `performance.now()`, at which it is so of this function. */
  async whenSo(namespace: string, name: string, isSo: () => boolean, limitMs: number): Promise<number> {
    const key = `${namespace}/${name}`;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait longer for a change of ${key}: ${limitMs} ms`)),
      limitMs,
    );
    this.#waiting.set(key, () => {
      if (isSo()) resolve(performance.now());
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#functions, this.#versions, this.#aliases].map((cache) => cache.stop()));
  }
}
