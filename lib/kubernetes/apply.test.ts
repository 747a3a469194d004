import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { MemoryClient } from "../../test/kit/kubernetes/memory-client.ts";
import { configMap } from "../../test/kit/kubernetes/objects.ts";
import { Applier } from "./apply.ts";
import type { Stored } from "./object.ts";

function bench(capacity?: number): { client: MemoryClient; applier: Applier } {
  const client = new MemoryClient();
  return {
    client,
    applier: new Applier({ client, fieldManager: "ours", ...(capacity !== undefined && { capacity }) }),
  };
}

describe("Applier", () => {
  it("asks nothing when the same was applied and the cache holds the answer", async () => {
    const { client, applier } = bench();
    const stored = await applier.apply(configMap("a", "b", { x: "1", y: "2" }));
    const again = await applier.apply(configMap("a", "b", { y: "2", x: "1" }), stored);
    assert.equal(again, stored);
    assert.deepEqual(client.requests, ["apply ConfigMap a/b"]);
  });

  const reasons: Record<string, (stored: Stored) => { cached?: Stored; x: string }> = {
    "something else is wanted": (stored) => ({ cached: stored, x: "2" }),
    "nothing is known of the present state": () => ({ x: "1" }),
    "somebody has changed the object since": (stored) => ({
      cached: { ...stored, metadata: { ...stored.metadata, resourceVersion: "999" } },
      x: "1",
    }),
    "it is another object of that name": (stored) => ({
      cached: { ...stored, metadata: { ...stored.metadata, uid: "other" } },
      x: "1",
    }),
  };
  for (const [sentence, then] of Object.entries(reasons)) {
    it(`applies again when ${sentence}`, async () => {
      const { client, applier } = bench();
      const { cached, x } = then(await applier.apply(configMap("a", "b", { x: "1" })));
      await applier.apply(configMap("a", "b", { x }), cached);
      assert.equal(client.requests.length, 2);
    });
  }

  it("does not take a failed apply for a done one", async () => {
    const { client, applier } = bench();
    const stored = await applier.apply(configMap("a", "b", { x: "1" }));
    client.failNext(/apply/, "Unavailable");
    await assert.rejects(applier.apply(configMap("a", "b", { x: "2" }), stored), { code: "Unavailable" });
    await applier.apply(configMap("a", "b", { x: "1" }), stored);
    assert.equal(client.requests.length, 3);
  });

  it("remembers so many and no more, and forgets when told", async () => {
    const { client, applier } = bench(1);
    const first = await applier.apply(configMap("a", "1", {}));
    const second = await applier.apply(configMap("a", "2", {}));
    await applier.apply(configMap("a", "2", {}), second);
    assert.equal(client.requests.length, 2);
    await applier.apply(configMap("a", "1", {}), first);
    assert.equal(client.requests.length, 3);
    applier.forget(configMap("a", "1", {}));
    await applier.apply(configMap("a", "1", {}), first);
    assert.equal(client.requests.length, 4);
  });
});
