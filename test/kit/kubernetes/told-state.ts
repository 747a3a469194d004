import assert from "node:assert/strict";
import type { KubernetesClient } from "../../../lib/kubernetes/client.ts";
import type { ObjectCache } from "../../../lib/kubernetes/object-cache.ts";
import { keyOf, type KubernetesObject, type Stored } from "../../../lib/kubernetes/object.ts";
import { waitUntil } from "../../cluster/wait-until.ts";

/** What a listener of a cache believes, from changes alone; a change that contradicts what it was told before is a failure. */
export class ToldState {
  readonly told: string[] = [];
  readonly contradictions: string[] = [];
  readonly #objects = new Map<string, Stored>();

  constructor(cache: ObjectCache<KubernetesObject>) {
    cache.onChange(({ type, object, previous }) => {
      const key = keyOf(object);
      const known = this.#objects.get(key);
      this.told.push(`${type} ${object.metadata.name}`);
      if ((type === "added") === (known !== undefined) || known !== previous)
        this.contradictions.push(`${type} ${key}`);
      if (type === "deleted") this.#objects.delete(key);
      else this.#objects.set(key, object);
    });
  }

  get versions(): Record<string, string> {
    const entries = [...this.#objects].map(([key, { metadata }]) => [
      key,
      `${metadata.uid} ${metadata.resourceVersion}`,
    ]);
    return Object.fromEntries(entries) as Record<string, string>;
  }
}

/** Waits until cache and listener both are exactly where the server is. */
export async function untilCaughtUp(
  client: KubernetesClient,
  cache: ObjectCache<KubernetesObject>,
  told: ToldState,
): Promise<void> {
  await waitUntil({ what: "the cache to be where the server is", timeoutMs: 20_000 }, async () => {
    const { items } = await client.list(cache.kind);
    const want = Object.fromEntries(items.map((o) => [keyOf(o), `${o.metadata.uid} ${o.metadata.resourceVersion}`]));
    const have = cache.list().map((o) => [keyOf(o), `${o.metadata.uid} ${o.metadata.resourceVersion}`]);
    assert.deepEqual(Object.fromEntries(have), want);
    assert.deepEqual(told.versions, want);
    return true;
  });
  assert.deepEqual(told.contradictions, []);
}
