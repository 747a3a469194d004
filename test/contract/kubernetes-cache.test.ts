/** The cache against a real API server that is killed, forgets and falls silent. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../lib/clock.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesErrorCode } from "../../lib/kubernetes/kubernetes-error.ts";
import { ObjectCache, type ObjectCacheOptions } from "../../lib/kubernetes/object-cache.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { type ApiServerUnderTest, startApiServer } from "../kit/kubernetes/api-server-under-test.ts";
import { type CountingClient, countCalls } from "../kit/kubernetes/counting-client.ts";
import { type ConfigMap, configMap, widget, widgetKind } from "../kit/kubernetes/objects.ts";
import { TcpProxy } from "../kit/kubernetes/tcp-proxy.ts";
import { ToldState, untilCaughtUp } from "../kit/kubernetes/told-state.ts";

describe("ObjectCache with a real API server", function () {
  this.timeout(120_000);
  let server: ApiServerUnderTest;
  let counting: CountingClient;
  let cache: ObjectCache<KubernetesObject>;
  let told: ToldState;
  let errors: KubernetesErrorCode[];
  let namespace: string;

  before(async () => {
    server = await startApiServer();
  });
  after(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    namespace = await server.makeNamespace();
    counting = countCalls(server.client);
    errors = [];
  });
  afterEach(async () => {
    counting.letGo();
    await cache.stop();
  });

  async function begin(options: Partial<ObjectCacheOptions<KubernetesObject>> = {}): Promise<void> {
    cache = new ObjectCache({
      client: counting.client,
      kind: widgetKind,
      clock: systemClock,
      onError: ({ code }) => errors.push(code),
      ...options,
    });
    told = new ToldState(cache);
    cache.start();
    await cache.synced(AbortSignal.timeout(10_000));
  }

  it("follows a thousand changes of many writers", async () => {
    await begin();
    const write = async (name: string): Promise<void> => {
      const ref = { kind: widgetKind, namespace, name };
      for (let round = 0; round < 5; round++) {
        await server.client.create(widget(namespace, name, { size: 0 }));
        for (let size = 1; size <= 3; size++) await server.client.patch(ref, { spec: { size } });
        if (round < 4) await server.client.delete(ref);
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, i) => write(`w${i}`)));
    await untilCaughtUp(server.client, cache, told);
    assert.deepEqual([told.told.length, counting.lists.length, errors], [40 * (5 * 4 + 4), 1, []]);
  });

  it("lists page by page", async () => {
    for (let i = 0; i < 7; i++) await server.client.create(widget(namespace, `w${i}`, {}));
    await begin({ namespace, pageSize: 3 });
    assert.deepEqual([cache.size, counting.lists.length], [7, 3]);
    assert.equal(counting.watches.length <= 1, true);
  });

  it("catches up after the API server was killed, and loses nothing that happened meanwhile", async () => {
    const make = (name: string): Promise<unknown> => server.client.create(widget(namespace, name, { size: 1 }));
    for (const name of ["same", "changed", "gone", "replaced"]) await make(name);
    await begin({ staleAfterMs: 500 });
    counting.hold();
    await server.kill();
    await waitUntil({ what: "the cache to be stale", timeoutMs: 5000 }, () =>
      cache.isStale(Date.now()) ? true : undefined,
    );
    await server.restart();
    const ref = (name: string): { kind: typeof widgetKind; namespace: string; name: string } => ({
      kind: widgetKind,
      namespace,
      name,
    });
    await make("new");
    await server.client.patch(ref("changed"), { spec: { size: 2 } });
    await server.client.delete(ref("gone"));
    await server.client.delete(ref("replaced"));
    await make("replaced");
    assert.equal(cache.getBy(namespace, "gone")?.metadata.name, "gone");
    counting.letGo();
    await untilCaughtUp(server.client, cache, told);
    assert.equal(cache.isStale(Date.now()), false);
    assert.deepEqual(told.told.slice(-5).sort(), [
      "added new",
      "added replaced",
      "deleted gone",
      "deleted replaced",
      "modified changed",
    ]);
  });

  it("lives through kills while others write without a pause", async () => {
    await begin();
    const writing = new AbortController();
    const writer = (async (): Promise<number> => {
      let done = 0;
      for (let i = 0; !writing.signal.aborted; i++) {
        const ref = { kind: widgetKind, namespace, name: `w${i % 7}` };
        const write =
          i % 3 === 2
            ? server.client.delete(ref)
            : server.client.apply(widget(namespace, ref.name, { size: i }), { fieldManager: "test", force: true });
        await write.then(
          () => done++,
          () => new Promise((resolve) => setTimeout(resolve, 50)),
        );
      }
      return done;
    })();
    for (let kill = 0; kill < 2; kill++) {
      await server.kill();
      await server.restart();
      const heardAtMs = Date.now();
      await waitUntil({ what: "the cache to hear again", timeoutMs: 20_000 }, () =>
        cache.lastHeardAtMs > heardAtMs ? true : undefined,
      );
    }
    writing.abort();
    assert((await writer) > 10);
    await untilCaughtUp(server.client, cache, told);
  });

  it("lists anew when its place was compacted away", async () => {
    await server.client.create(configMap(namespace, "gone", {}));
    await server.client.create(configMap(namespace, "same", {}));
    await begin({ kind: kinds.configMap, client: counting.client, namespace });
    counting.hold();
    await server.kill();
    await server.restart();
    await server.client.delete({ kind: kinds.configMap, namespace, name: "gone" });
    for (let i = 0; i < 5; i++) await server.client.create(configMap(namespace, `new-${i}`, {}));
    await server.controlPlane.compact();
    await server.kill();
    await server.restart();
    counting.letGo();
    await waitUntil({ what: "the second list", timeoutMs: 20_000 }, () =>
      counting.lists.length >= 2 ? true : undefined,
    );
    await waitUntil({ what: "six objects", timeoutMs: 20_000 }, () => (cache.size === 6 ? true : undefined));
    assert(errors.includes("Gone"), errors.join());
    assert.equal(cache.getBy(namespace, "gone"), undefined);
    assert.deepEqual(told.contradictions, []);
    // And it follows again.
    await server.client.create(configMap(namespace, "later", {}));
    await waitUntil({ what: "the later one", timeoutMs: 10_000 }, () => cache.getBy(namespace, "later"));
    assert.equal(counting.lists.length, 2);
  });

  it("stays current while a watch of nothing is silent, and opens it anew", async () => {
    await begin({ idleTimeoutMs: 300 });
    await waitUntil(
      { what: "the watch to be open", timeoutMs: 10_000, everyMs: 1 },
      () => cache.isCurrent || undefined,
    );
    const until = Date.now() + 2500;
    while (Date.now() < until) {
      assert.equal(cache.isCurrent, true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(counting.watches.length > 1, `${counting.watches.length} watches`);
    assert.equal(counting.lists.length, 1);
  });

  it("goes on from where it was when a connection falls silent, or is cut", async () => {
    const direct = await kubeconfigAccess(server.controlPlane.kubeconfig);
    const proxy = await TcpProxy.start(Number(new URL(direct.server).port));
    try {
      const access = { ...direct, server: `https://127.0.0.1:${proxy.port}` };
      counting = countCalls(await server.makeClient({ access }));
      await begin({ kind: kinds.configMap, namespace, client: counting.client, idleTimeoutMs: 1500 });
      await server.client.create(configMap(namespace, "one", { x: "1" }));
      await waitUntil({ what: "the first", timeoutMs: 10_000 }, () => cache.getBy(namespace, "one"));
      proxy.freeze();
      await server.client.patch({ kind: kinds.configMap, namespace, name: "one" }, { data: { x: "2" } });
      await server.client.create(configMap(namespace, "two", {}));
      await waitUntil({ what: "what happened in the silence", timeoutMs: 10_000 }, () => cache.getBy(namespace, "two"));
      assert(errors.includes("Timeout"), errors.join());
      proxy.cut();
      await server.client.create(configMap(namespace, "three", {}));
      await waitUntil({ what: "what happened after the cut", timeoutMs: 10_000 }, () =>
        cache.getBy(namespace, "three"),
      );
      assert.deepEqual((cache.getBy(namespace, "one") as ConfigMap | undefined)?.data, { x: "2" });
      assert.deepEqual(told.told, ["added one", "modified one", "added two", "added three"]);
      assert.equal(counting.lists.length, 1, "it went on without a second list");
    } finally {
      await cache.stop();
      await proxy.stop();
    }
  });
});
