import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { type ConfigMap, configMap, widget, widgetKind } from "../kit/kubernetes/objects.ts";
import { WatchRecorder } from "../kit/kubernetes/watch-recorder.ts";
import type { Subject } from "./client-under-test.ts";

/** watch: order, where it begins, what it selects, how it ends. */
export function describeWatches(subject: Subject): void {
  describe("watch", () => {
    it("tells every change after the list, in order, with the whole object", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.create(configMap(namespace, "before", {}));
      const { resourceVersion } = await client.list(kinds.configMap, { namespace });
      const watch = new WatchRecorder(client, kinds.configMap, { namespace, resourceVersion });
      await watch.opened;
      await client.create(configMap(namespace, "a", { x: "1" }));
      const patched = await client.patch({ kind: kinds.configMap, namespace, name: "a" }, { data: { x: "2" } });
      await client.delete({ kind: kinds.configMap, namespace, name: "a" });
      assert.deepEqual(await watch.until(3), ["ADDED a", "MODIFIED a", "DELETED a"]);
      const objects = watch.events.flatMap((e) => (e.type === "BOOKMARK" ? [] : [e.object as Stored<ConfigMap>]));
      assert.deepEqual(
        objects.map(({ data, kind }) => [kind, data]),
        [
          ["ConfigMap", { x: "1" }],
          ["ConfigMap", { x: "2" }],
          ["ConfigMap", { x: "2" }],
        ],
      );
      assert.equal(objects[1]!.metadata.resourceVersion, patched.metadata.resourceVersion);
      // The last one's version is that of the deletion: a watch can go on from it.
      assert.notEqual(objects[2]!.metadata.resourceVersion, patched.metadata.resourceVersion);
      await watch.stop();
    });

    it("begins where it is asked to, also in the past", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { resourceVersion } = await client.list(widgetKind, { namespace });
      const first = await client.create(widget(namespace, "a", {}));
      await client.create(widget(namespace, "b", {}));
      const all = new WatchRecorder(client, widgetKind, { namespace, resourceVersion });
      assert.deepEqual(await all.until(2), ["ADDED a", "ADDED b"]);
      const later = new WatchRecorder(client, widgetKind, {
        namespace,
        resourceVersion: first.metadata.resourceVersion,
      });
      assert.deepEqual(await later.until(1), ["ADDED b"]);
      await Promise.all([all.stop(), later.stop()]);
    });

    it("tells of a selection only: what leaves it is deleted, what enters it is added", async () => {
      const { client, makeNamespace } = subject();
      const [namespace, other] = [await makeNamespace(), await makeNamespace()];
      const { resourceVersion } = await client.list(kinds.configMap, { namespace });
      const watch = new WatchRecorder(client, kinds.configMap, { namespace, resourceVersion, labelSelector: "in=yes" });
      const label = (name: string, value: string | null): Promise<unknown> =>
        client.patch({ kind: kinds.configMap, namespace, name }, { metadata: { labels: { in: value } } });
      await client.create(configMap(other, "elsewhere", {}, { labels: { in: "yes" } }));
      await client.create(configMap(namespace, "never", {}));
      await client.create(configMap(namespace, "a", {}));
      await label("a", "yes");
      await label("a", null);
      await label("a", "yes");
      await client.create(configMap(namespace, "last", {}, { labels: { in: "yes" } }));
      assert.deepEqual(await watch.until(4), ["ADDED a", "DELETED a", "ADDED a", "ADDED last"]);
      await watch.stop();
    });

    it("shows how an object with finalizers ends", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { resourceVersion } = await client.list(kinds.configMap, { namespace });
      const watch = new WatchRecorder(client, kinds.configMap, { namespace, resourceVersion });
      const ref = { kind: kinds.configMap, namespace, name: "a" };
      await client.create(configMap(namespace, "a", {}, { finalizers: ["test.example.com/hold"] }));
      await client.delete(ref);
      await client.patch(ref, { metadata: { finalizers: null } });
      assert.deepEqual(await watch.until(3), ["ADDED a", "MODIFIED a", "DELETED a"]);
      await watch.stop();
    });

    it("ends without an error when its time is over", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { resourceVersion } = await client.list(kinds.configMap, { namespace });
      const watch = new WatchRecorder(client, kinds.configMap, { namespace, resourceVersion, timeoutMs: 1000 });
      assert.equal(await watch.ended, undefined);
    });

    it("ends with the signal's reason when it is aborted", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { resourceVersion } = await client.list(kinds.configMap, { namespace });
      const watch = new WatchRecorder(client, kinds.configMap, { namespace, resourceVersion });
      await watch.opened;
      const reason = new Error("seen enough");
      assert.equal(await watch.stop(reason), reason);
    });
  });
}
