import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { ObjectStore } from "../../local/object-store.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { watchPart } from "./controller-watch.ts";
import { kinds } from "./kinds.ts";
import { ObjectCache } from "./object-cache.ts";
import { keyOf, type KubernetesObject } from "./object.ts";

type ConfigMap = KubernetesObject & { readonly data?: Readonly<Record<string, string>> };

describe("watchPart", () => {
  let store: ObjectStore;
  let cache: ObjectCache<ConfigMap>;
  beforeEach(async () => {
    store = new ObjectStore({ kinds: [], nowMs: () => 0, raw: {} });
    cache = new ObjectCache<ConfigMap>({ client: store, kind: kinds.configMap, clock: new ManualClock() });
    cache.start();
    await cache.synced();
  });
  afterEach(() => cache.stop());

  it("wakes for what comes, goes or changes in the part that is read, and for no other change", async () => {
    const woken: string[] = [];
    const watch = watchPart(
      cache,
      ({ data }) => data?.["read"],
      (object) => [keyOf(object)],
    );
    const end = watch.subscribe((key) => woken.push(key));
    const ref = { kind: kinds.configMap, namespace: "n", name: "a" };
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "n", name: "a" },
      data: { read: "1" },
    };
    const steps: Record<string, () => Promise<unknown>> = {
      comes: () => store.create(object),
      "changes elsewhere": () => store.patch(ref, { data: { unread: "1" } }),
      changes: () => store.patch(ref, { data: { read: "2" } }),
      goes: () => store.delete(ref),
    };
    const counts: Record<string, number> = {};
    for (const [name, step] of Object.entries(steps)) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const unsubscribe = cache.onChange(() => resolve(undefined));
      await step();
      await promise;
      unsubscribe();
      counts[name] = woken.splice(0).length;
    }
    end();
    assert.deepEqual(counts, { comes: 1, "changes elsewhere": 0, changes: 1, goes: 1 });
  });
});
