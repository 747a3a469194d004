import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { type ConfigMap, configMap, widget, type Widget, widgetKind } from "../kit/kubernetes/objects.ts";
import type { Subject } from "./client-under-test.ts";

/** Server-side apply as far as one manager that forces, and users beside it, can tell. */
export function describeServerSideApply(subject: Subject): void {
  const ours = { fieldManager: "ours", force: true };

  describe("apply", () => {
    it("makes what is not there", async () => {
      const { client, makeNamespace } = subject();
      const applied = await client.apply(widget(await makeNamespace(), "a", { size: 1 }), ours);
      assert.equal(applied.metadata.generation, 1);
      assert.deepEqual(applied.spec, { size: 1 });
      assert.notEqual(applied.metadata.uid, "");
    });

    it("of the same again makes no new version", async () => {
      const { client, makeNamespace } = subject();
      const object = configMap(await makeNamespace(), "a", { x: "1" }, { labels: { l: "1" } });
      const [first, second] = [await client.apply(object, ours), await client.apply(object, ours)];
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    });

    it("keeps what others have set, and takes away what it no longer gives", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.apply(configMap(namespace, "a", { x: "1", y: "1" }, { labels: { mine: "1", old: "1" } }), ours);
      const foreign = { metadata: { labels: { theirs: "2" }, annotations: { note: "2" } }, data: { z: "2" } };
      const ref = { kind: kinds.configMap, namespace, name: "a" };
      await client.patch(ref, foreign, { fieldManager: "theirs" });
      const applied = await client.apply<ConfigMap>(
        configMap(namespace, "a", { x: "3" }, { labels: { mine: "1" } }),
        ours,
      );
      assert.deepEqual(applied.data, { x: "3", z: "2" });
      assert.deepEqual(applied.metadata.labels, { mine: "1", theirs: "2" });
      assert.deepEqual(applied.metadata.annotations, { note: "2" });
    });

    it("without force yields to another manager's field, with force takes it", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.apply(configMap(namespace, "a", { x: "1" }), { fieldManager: "theirs" });
      const other = configMap(namespace, "a", { x: "2" });
      await assert.rejects(client.apply(other, { fieldManager: "ours" }), { code: "Conflict" });
      assert.deepEqual((await client.apply<ConfigMap>(other, ours)).data, { x: "2" });
    });

    it("leaves the status alone and counts the generation", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.apply(widget(namespace, "a", { size: 1 }), ours);
      const ref = { kind: widgetKind, namespace, name: "a" };
      await client.patch(ref, { status: { ready: true } }, { subresource: "status" });
      const applied = await client.apply<Widget>(widget(namespace, "a", { size: 2, tags: ["t"] }), ours);
      assert.deepEqual(applied.status, { ready: true });
      assert.deepEqual(applied.spec, { size: 2, tags: ["t"] });
      assert.equal(applied.metadata.generation, 2);
    });
  });
}
