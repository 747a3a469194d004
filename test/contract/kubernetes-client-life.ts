import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { type ObjectRef, ownedBy } from "../../lib/kubernetes/object.ts";
import { configMap, pod } from "../kit/kubernetes/objects.ts";
import type { Subject } from "./client-under-test.ts";

const finalizer = "test.example.com/hold";

/** delete: preconditions, finalizers, grace; owners. */
export function describeLifeOfObjects(subject: Subject): void {
  const mapRef = (namespace: string, name: string): ObjectRef => ({ kind: kinds.configMap, namespace, name });

  describe("delete", () => {
    it("takes an object away, once", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.create(configMap(namespace, "a", {}));
      await client.delete(mapRef(namespace, "a"));
      await assert.rejects(client.get(mapRef(namespace, "a")), { code: "NotFound" });
      await assert.rejects(client.delete(mapRef(namespace, "a")), { code: "NotFound" });
    });

    it("spares another object of that name, and another version", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const former = await client.create(configMap(namespace, "a", {}));
      await client.delete(mapRef(namespace, "a"), { uid: former.metadata.uid });
      const later = await client.create(configMap(namespace, "a", {}));
      assert.notEqual(later.metadata.uid, former.metadata.uid);
      const byUid = client.delete(mapRef(namespace, "a"), { uid: former.metadata.uid });
      await assert.rejects(byUid, { code: "Conflict" });
      const { resourceVersion } = former.metadata;
      await assert.rejects(client.delete(mapRef(namespace, "a"), { resourceVersion }), { code: "Conflict" });
      await client.get(mapRef(namespace, "a"));
    });

    it("waits for finalizers, and takes no new ones meanwhile", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref = mapRef(namespace, "a");
      await client.create(configMap(namespace, "a", {}, { finalizers: [finalizer] }));
      await client.delete(ref);
      const held = await client.get(ref);
      assert.match(held.metadata.deletionTimestamp ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual(held.metadata.finalizers, [finalizer]);
      await client.delete(ref);
      const more = { metadata: { finalizers: [finalizer, "test.example.com/more"] } };
      await assert.rejects(client.patch(ref, more), { code: "Invalid" });
      await client.patch(ref, { data: { still: "writable" } });
      await client.patch(ref, { metadata: { finalizers: [] } });
      await assert.rejects(client.get(ref), { code: "NotFound" });
    });

    it("is the only way to a deletion time", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref = mapRef(namespace, "a");
      await client.create(configMap(namespace, "a", {}));
      const patch = { metadata: { deletionTimestamp: "2020-01-01T00:00:00Z" } };
      await assert.rejects(client.patch(ref, patch), { code: "Invalid" });
    });

    it("gives a pod on a node its time, unless that is 0", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref: ObjectRef = { kind: kinds.pod, namespace, name: "p" };
      await client.create(pod(namespace, "p", "node-1"));
      await client.delete(ref, { gracePeriodSeconds: 7 });
      const ending = await client.get(ref);
      assert.equal(ending.metadata.deletionGracePeriodSeconds, 7);
      assert.notEqual(ending.metadata.deletionTimestamp, undefined);
      await client.delete(ref, { gracePeriodSeconds: 0 });
      await assert.rejects(client.get(ref), { code: "NotFound" });
    });

    it("takes a pod without a node away at once", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const ref: ObjectRef = { kind: kinds.pod, namespace, name: "p" };
      await client.create(pod(namespace, "p"));
      await client.delete(ref);
      await assert.rejects(client.get(ref), { code: "NotFound" });
    });
  });

  describe("owners", () => {
    it("are kept as they are given", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const owner = await client.create(configMap(namespace, "owner", {}));
      const ownerReferences = [ownedBy(owner)];
      await client.create(configMap(namespace, "child", {}, { ownerReferences }));
      const child = await client.get(mapRef(namespace, "child"));
      assert.deepEqual(child.metadata.ownerReferences, ownerReferences);
    });

    it("of which two manage are refused", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const owners = [
        await client.create(configMap(namespace, "one", {})),
        await client.create(configMap(namespace, "two", {})),
      ];
      const child = configMap(namespace, "child", {}, { ownerReferences: owners.map(ownedBy) });
      await assert.rejects(client.create(child), { code: "Invalid" });
    });
  });
}
