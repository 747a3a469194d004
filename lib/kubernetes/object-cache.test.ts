import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { type ConfigMap, configMap } from "../../test/kit/kubernetes/objects.ts";
import { page, ScriptedListWatch, stored } from "../../test/kit/kubernetes/scripted-list-watch.ts";
import { settle } from "../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { kinds } from "./kinds.ts";
import { KubernetesError, type KubernetesErrorCode } from "./kubernetes-error.ts";
import { ObjectCache, type ObjectCacheOptions } from "./object-cache.ts";
import type { Stored } from "./object.ts";

const failure = (code: KubernetesErrorCode, retryAfterMs?: number): KubernetesError =>
  new KubernetesError({ code, action: "follow", serverMessage: "the test says so", retryAfterMs });

const backoff = { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0 };

function map(name: string, version: string, x = "1", uid?: string): Stored<ConfigMap> {
  return stored(configMap("a", name, { x }, { labels: { x } }), version, uid);
}

describe("ObjectCache", () => {
  let server: ScriptedListWatch;
  let clock: ManualClock;
  let cache: ObjectCache<ConfigMap>;
  let changes: string[];
  let errors: KubernetesErrorCode[];

  beforeEach(() => {
    server = new ScriptedListWatch();
    clock = new ManualClock();
    changes = [];
    errors = [];
  });
  afterEach(() => cache.stop());

  function make(options: Partial<ObjectCacheOptions<ConfigMap>> = { backoff }): void {
    cache = new ObjectCache<ConfigMap>({
      client: server.asClient(),
      kind: kinds.configMap,
      clock,
      indexes: { x: (object) => [object.data?.["x"] ?? ""] },
      onError: ({ code }) => errors.push(code),
      ...options,
    });
    cache.onChange(({ type, object, previous }) => {
      changes.push(`${type} ${object.metadata.name} ${previous?.data?.["x"] ?? "-"}>${object.data?.["x"] ?? ""}`);
    });
    cache.start();
  }

  async function begin(...items: Stored<ConfigMap>[]): Promise<void> {
    server.planList(page("10", items));
    make();
    await settle();
    changes.length = 0;
  }

  /** Ends with the next attempt. */
  async function failWatch(): Promise<void> {
    const { length } = server.watches;
    server.watchNow.end(failure("Unavailable"));
    await settle();
    while (server.watches.length === length) {
      clock.advance(1000);
      await settle();
    }
  }

  it("lists page by page, then watches from where the list stands", async () => {
    server.planList(page("10", [map("m1", "1")], "next"), page("10", [map("m2", "2")]));
    make({ namespace: "a", labelSelector: "l", pageSize: 1 });
    assert.equal(cache.isStale(clock.nowMs()), true);
    await cache.synced();
    await settle();
    assert.deepEqual(
      server.lists.map(({ limit, continue: token, namespace, labelSelector }) => [
        limit,
        token,
        namespace,
        labelSelector,
      ]),
      [
        [1, undefined, "a", "l"],
        [1, "next", "a", "l"],
      ],
    );
    const { resourceVersion, namespace, labelSelector } = server.watchNow.options;
    assert.deepEqual([resourceVersion, namespace, labelSelector], ["10", "a", "l"]);
    assert.deepEqual(changes, ["added m1 ->1", "added m2 ->1"]);
    assert.deepEqual([cache.size, cache.get("a/m1")?.metadata.resourceVersion], [2, "1"]);
    assert.equal(cache.getBy("a", "m2"), cache.get("a/m2"));
  });

  it("follows what the watch says, also in its indexes", async () => {
    await begin(map("m", "1"));
    server.watchNow.send(
      { type: "MODIFIED", object: map("m", "11", "2") },
      { type: "ADDED", object: map("n", "12", "2") },
      { type: "DELETED", object: map("m", "13", "2") },
    );
    await settle();
    assert.deepEqual(changes, ["modified m 1>2", "added n ->2", "deleted m 2>2"]);
    assert.deepEqual(
      cache.list().map(({ metadata }) => metadata.name),
      ["n"],
    );
    assert.deepEqual(cache.byIndex("x", "1"), []);
    assert.deepEqual(
      cache.byIndex("x", "2").map(({ metadata }) => metadata.name),
      ["n"],
    );
    assert.throws(() => cache.byIndex("y", "1"), /index "y"/);
  });

  it("goes on after a lost connection where it was, by a bookmark or the last change", async () => {
    await begin();
    server.watchNow.send({ type: "ADDED", object: map("m", "11") });
    await settle();
    server.watchNow.end(failure("Unavailable"));
    await settle();
    clock.advance(100);
    await settle();
    assert.equal(server.watchNow.options.resourceVersion, "11");
    server.watchNow.send({ type: "BOOKMARK", resourceVersion: "40" });
    await settle();
    server.watchNow.end();
    await settle();
    assert.equal(server.watchNow.options.resourceVersion, "40");
    assert.deepEqual([server.watches.length, server.lists.length, errors], [3, 1, ["Unavailable"]]);
  });

  it("lists anew at once when its place is forgotten, and tells the difference", async () => {
    await begin(map("same", "1"), map("gone", "2"), map("changed", "3"), map("replaced", "4"));
    server.planList(
      page("50", [map("same", "1"), map("changed", "33", "9"), map("replaced", "44", "7", "uid-2"), map("new", "45")]),
    );
    server.watchNow.end(failure("Gone"));
    await settle();
    assert.deepEqual(changes.sort(), [
      "added new ->1",
      "added replaced ->7",
      "deleted gone 1>1",
      "deleted replaced 1>1",
      "modified changed 1>9",
    ]);
    assert.equal(server.watchNow.options.resourceVersion, "50");
  });

  it("does not list in a circle when every place is forgotten at once", async () => {
    await begin();
    for (let i = 0; i < 4; i++) {
      server.planList(page("60", []));
      server.watchNow.end(failure("Gone"));
      await settle();
    }
    assert.equal(server.lists.length, 2);
    clock.advance(200);
    await settle();
    assert.equal(server.lists.length, 3);
  });

  it("begins a paged list anew when its token has expired", async () => {
    server.planList(page("10", [map("m1", "1")], "next"), failure("Gone"), page("20", [map("m2", "2")]));
    make();
    await cache.synced();
    assert.deepEqual(changes, ["added m2 ->1"]);
  });

  it("backs off while the server fails, and waits as long as it is asked to", async () => {
    server.planList(failure("Unavailable"), failure("TooManyRequests", 5000), failure("Unavailable"), page("1", []));
    make();
    await settle();
    for (const [delayMs, lists] of [
      [100, 2],
      [5000, 3],
      [400, 4],
    ] as const) {
      clock.advance(delayMs - 1);
      await settle();
      assert.equal(server.lists.length, lists - 1, `before ${delayMs} ms`);
      clock.advance(1);
      await settle();
      assert.equal(server.lists.length, lists, `after ${delayMs} ms`);
    }
    await cache.synced();
  });

  it("hears of a change within 5 s of the server's return, however long that was away", async () => {
    server.planList(page("10", []));
    make({ draw: () => 0 });
    await settle();
    for (let attempt = 0; attempt < 30; attempt++) await failWatch();
    server.watchNow.end(failure("Unavailable"));
    await settle();
    // It is back just after that attempt, which is the worst moment.
    clock.advance(5000);
    await settle();
    server.watchNow.send({ type: "ADDED", object: map("m", "11") });
    await settle();
    assert.deepEqual(changes, ["added m ->1"]);
  });

  it("does not open watches in a circle when each ends at once", async () => {
    await begin();
    server.watchNow.end();
    await settle();
    assert.equal(server.watches.length, 1);
    clock.advance(100);
    await settle();
    assert.equal(server.watches.length, 2);
  });

  it("knows when it last heard of the server, and when that is too long ago", async () => {
    await begin();
    const openedAtMs = clock.nowMs();
    assert.deepEqual([cache.lastHeardAtMs, cache.isStale(openedAtMs + 180_000)], [openedAtMs, false]);
    assert.equal(cache.isStale(openedAtMs + 180_001), true);
    clock.advance(60_000);
    server.watchNow.send({ type: "BOOKMARK", resourceVersion: "11" });
    await settle();
    assert.equal(cache.lastHeardAtMs, openedAtMs + 60_000);
    assert.equal(cache.isStale(openedAtMs + 180_001), false);
  });

  it("drops what nobody reads", async () => {
    const object = map("m", "1");
    server.planList(page("10", [{ ...object, metadata: { ...object.metadata, managedFields: [{ manager: "x" }] } }]));
    make();
    await cache.synced();
    assert.deepEqual(cache.get("a/m"), object);
  });

  it("survives a listener that throws, and tells the others", async () => {
    server.planList(page("10", [map("m", "1")]));
    make();
    const told: string[] = [];
    cache.onChange(() => {
      throw new Error("a listener's mistake");
    });
    cache.onChange(({ object }) => told.push(object.metadata.name));
    await cache.synced();
    assert.deepEqual([told, errors], [["m"], ["Internal"]]);
    assert.equal(cache.size, 1);
  });

  it("ends its watch when it stops, and those who wait for the first list learn of it", async () => {
    make();
    const waiting = cache.synced();
    const byOwnSignal = cache.synced(AbortSignal.abort(new Error("mine")));
    await assert.rejects(byOwnSignal, { message: "mine" });
    await Promise.all([cache.stop(), assert.rejects(waiting, { message: "The cache of configmaps has stopped" })]);
    assert.equal(clock.timers, 0);
  });
});
