import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { ObjectRef } from "../../lib/kubernetes/object.ts";
import {
  type ConfigMap,
  configMap,
  type Pod,
  pod,
  widget,
  type Widget,
  widgetKind,
} from "../kit/kubernetes/objects.ts";
import type { Subject } from "./client-under-test.ts";

/** create, update, patch: optimistic locking, generation, the status subresource. */
export function describeWrites(subject: Subject): void {
  const mapRef = (namespace: string, name: string): ObjectRef => ({ kind: kinds.configMap, namespace, name });
  const widgetRef = (namespace: string, name: string): ObjectRef => ({ kind: widgetKind, namespace, name });

  describe("create", () => {
    it("gives uid, version and time, and refuses the name a second time", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { metadata } = await client.create(configMap(namespace, "a", {}));
      assert.match(metadata.uid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.match(metadata.resourceVersion, /^[1-9]\d*$/);
      assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      await assert.rejects(client.create(configMap(namespace, "a", {})), { code: "AlreadyExists" });
    });

    it("chooses a name that begins with generateName", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const draft = configMap(namespace, "", {}, { generateName: "made-" });
      const [one, other] = [await client.create(draft), await client.create(draft)];
      assert.match(one.metadata.name, /^made-[a-z0-9]{5}$/);
      assert.notEqual(one.metadata.name, other.metadata.name);
    });

    it("leaves a status out: that is written through its own path", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const created = await client.create<Widget>({ ...widget(namespace, "a", { size: 1 }), status: { ready: true } });
      assert.equal(created.status, undefined);
    });
  });

  describe("update", () => {
    it("replaces the object at the version that was read, and no other", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const read = await client.create(configMap(namespace, "a", { x: "1", y: "1" }));
      const updated = await client.update<ConfigMap>({ ...read, data: { x: "2" } });
      assert.deepEqual(updated.data, { x: "2" });
      assert.notEqual(updated.metadata.resourceVersion, read.metadata.resourceVersion);
      assert.equal(updated.metadata.uid, read.metadata.uid);
      await assert.rejects(client.update({ ...read, data: { x: "3" } }), { code: "Conflict" });
    });

    it("says NotFound of what is not there", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await assert.rejects(client.update(configMap(namespace, "none", {})), { code: "NotFound" });
    });

    it("that changes nothing makes no new version", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const read = await client.create(configMap(namespace, "a", { x: "1" }));
      const updated = await client.update(read);
      assert.equal(updated.metadata.resourceVersion, read.metadata.resourceVersion);
    });

    it("lets one of two rivals win", async () => {
      const { client, makeNamespace } = subject();
      const read = await client.create(configMap(await makeNamespace(), "a", { by: "" }));
      const writes = ["one", "two", "three"].map((by) => client.update<ConfigMap>({ ...read, data: { by } }));
      const settled = await Promise.allSettled(writes);
      assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
      for (const write of settled) {
        if (write.status === "rejected") assert.equal((write.reason as { code: string }).code, "Conflict");
      }
    });
  });

  describe("patch", () => {
    it("merges members and removes those that are null", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.create(configMap(namespace, "a", { x: "1", y: "1" }, { labels: { keep: "yes" } }));
      const patch = { metadata: { labels: { more: "too" } }, data: { x: null, z: "3" } };
      const patched = await client.patch<ConfigMap>(mapRef(namespace, "a"), patch);
      assert.deepEqual(patched.data, { y: "1", z: "3" });
      assert.deepEqual(patched.metadata.labels, { keep: "yes", more: "too" });
    });

    it("takes the resource version as a precondition", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { metadata } = await client.create(configMap(namespace, "a", {}));
      await client.patch(mapRef(namespace, "a"), { data: { x: "1" } });
      const { resourceVersion } = metadata;
      const stale = client.patch(mapRef(namespace, "a"), { metadata: { resourceVersion }, data: { x: "2" } });
      await assert.rejects(stale, { code: "Conflict" });
      await assert.rejects(client.patch(mapRef(namespace, "none"), {}), { code: "NotFound" });
    });

    it("that changes nothing makes no new version", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const { metadata } = await client.create(configMap(namespace, "a", { x: "1" }));
      const patched = await client.patch(mapRef(namespace, "a"), { data: { x: "1", absent: null } });
      assert.equal(patched.metadata.resourceVersion, metadata.resourceVersion);
    });
  });

  describe("generation and status", () => {
    it("counts changes of the spec only", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref = widgetRef(namespace, "a");
      const generations = [
        await client.create(widget(namespace, "a", { size: 1 })),
        await client.patch(ref, { metadata: { labels: { a: "b" } } }),
        await client.patch(ref, { status: { ready: true } }, { subresource: "status" }),
        await client.patch(ref, { spec: { size: 2 } }),
        await client.patch(ref, { spec: { size: 2 } }),
      ].map(({ metadata }) => metadata.generation);
      assert.deepEqual(generations, [1, 1, 1, 2, 2]);
    });

    it("keeps spec and status apart: each path leaves the other's part alone", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref = widgetRef(namespace, "a");
      await client.create(widget(namespace, "a", { size: 1 }));
      const both = { spec: { size: 5 }, status: { size: 5 } };
      const byStatus = await client.patch<Widget>(ref, both, { subresource: "status" });
      assert.deepEqual([byStatus.spec, byStatus.status], [{ size: 1 }, { size: 5 }]);
      const byMain = await client.patch<Widget>(ref, { spec: { size: 6 }, status: { size: 6 } });
      assert.deepEqual([byMain.spec, byMain.status], [{ size: 6 }, { size: 5 }]);
      const replaced = { ...byMain, spec: { size: 7 }, status: { size: 7 } };
      const updated = await client.update<Widget>(replaced, { subresource: "status" });
      assert.deepEqual([updated.spec, updated.status], [{ size: 6 }, { size: 7 }]);
    });

    it("writes a pod's status", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.create(pod(namespace, "p"));
      const ref: ObjectRef = { kind: kinds.pod, namespace, name: "p" };
      const status = { phase: "Running", podIP: "198.18.0.7" };
      await client.patch(ref, { status }, { subresource: "status" });
      const read = await client.get<Pod>(ref);
      assert.deepEqual([read.status?.phase, read.status?.podIP], ["Running", "198.18.0.7"]);
    });
  });
}
