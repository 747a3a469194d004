import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { type ConfigMap, configMap, widget, widgetKind } from "../kit/kubernetes/objects.ts";
import type { Subject } from "./client-under-test.ts";

/** get, list with selectors and pages, raw. */
export function describeReads(subject: Subject): void {
  describe("reads", () => {
    it("gets what was created", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const created = await client.create(configMap(namespace, "a", { x: "1" }));
      const got = await client.get<ConfigMap>({ kind: kinds.configMap, namespace, name: "a" });
      assert.deepEqual(got.data, { x: "1" });
      assert.equal(got.apiVersion, "v1");
      assert.equal(got.kind, "ConfigMap");
      assert.equal(got.metadata.uid, created.metadata.uid);
      assert.equal(got.metadata.resourceVersion, created.metadata.resourceVersion);
    });

    it("says NotFound of what is not there, and of paths that are not served", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      const missing = client.get({ kind: kinds.configMap, namespace, name: "none" });
      await assert.rejects(missing, { name: "KubernetesError", code: "NotFound", message: /configmaps.*"none"/ });
      await assert.rejects(client.raw("GET", "/apis/none.example.com/v1/things"), { code: "NotFound" });
    });

    it("lists one namespace or all, every item with its kind", async () => {
      const { client, makeNamespace } = subject();
      const [one, other] = [await makeNamespace(), await makeNamespace()];
      await client.create(configMap(one, "a", {}));
      await client.create(configMap(other, "b", {}));
      const { items } = await client.list<ConfigMap>(kinds.configMap, { namespace: one });
      assert.deepEqual(namesOf(items), ["a"]);
      assert.deepEqual([items[0]!.apiVersion, items[0]!.kind], ["v1", "ConfigMap"]);
      const all = (await client.list(kinds.configMap)).items.filter((item) =>
        [one, other].includes(item.metadata.namespace ?? ""),
      );
      assert.deepEqual(namesOf(all), ["a", "b"]);
    });

    it("lists nothing where nothing is", async () => {
      const { client, makeNamespace } = subject();
      const list = await client.list(widgetKind, { namespace: await makeNamespace() });
      assert.deepEqual(list.items, []);
      assert.match(list.resourceVersion, /^[1-9]\d*$/);
    });

    const selectors: Record<string, { labelSelector?: string; fieldSelector?: string; want: string[] }> = {
      "equal to a value": { labelSelector: "app=x", want: ["a", "b"] },
      "equal, both spellings": { labelSelector: "app==x", want: ["a", "b"] },
      "not equal, also without the label": { labelSelector: "app!=x", want: ["c", "d"] },
      "one of several values": { labelSelector: "app in (x, y)", want: ["a", "b", "c"] },
      "none of several values, also without the label": { labelSelector: "app notin (x)", want: ["c", "d"] },
      "with the label": { labelSelector: "tier", want: ["a"] },
      "without the label": { labelSelector: "!tier", want: ["b", "c", "d"] },
      "several requirements": { labelSelector: "app=x,!tier", want: ["b"] },
      "with a name": { fieldSelector: "metadata.name=c", want: ["c"] },
    };
    it("selects by labels and by name", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      await client.create(configMap(namespace, "a", {}, { labels: { app: "x", tier: "front" } }));
      await client.create(configMap(namespace, "b", {}, { labels: { app: "x" } }));
      await client.create(configMap(namespace, "c", {}, { labels: { app: "y" } }));
      await client.create(configMap(namespace, "d", {}));
      for (const [sentence, { want, ...selection }] of Object.entries(selectors)) {
        const { items } = await client.list(kinds.configMap, { namespace, ...selection });
        assert.deepEqual(namesOf(items), want, sentence);
      }
    });

    it("lists in pages that hold every object once", async () => {
      const { client, makeNamespace } = subject();
      const namespace = await makeNamespace();
      for (let i = 0; i < 7; i++) await client.create(widget(namespace, `w${i}`, { size: i }));
      const sizes: number[] = [];
      const names: string[] = [];
      let token: string | undefined;
      do {
        const page = await client.list(widgetKind, { namespace, limit: 3, continue: token });
        sizes.push(page.items.length);
        names.push(...page.items.map((item) => item.metadata.name));
        token = page.continue;
      } while (token !== undefined);
      assert.deepEqual(sizes, [3, 3, 1]);
      assert.deepEqual(names.sort(), ["w0", "w1", "w2", "w3", "w4", "w5", "w6"]);
    });

    it("fails with the signal's reason when it is aborted", async () => {
      const reason = new Error("no longer needed");
      const aborted = subject().client.list(kinds.configMap, { signal: AbortSignal.abort(reason) });
      await assert.rejects(aborted, reason);
    });
  });
}

function namesOf(items: readonly Stored[]): string[] {
  return items.map((item) => item.metadata.name).sort();
}
