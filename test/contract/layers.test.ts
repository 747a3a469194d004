/** Layers and functions with layers on the whole operator, against a real API server and a real package store. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { accountIdOf, annotations, API_VERSION, labels, layerArn } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { layerKind, type LayerObject, type LayerSpecInput } from "../../crds/v1alpha1/layer.ts";
import { environmentDocumentSchema } from "../../crds/wire/environment.ts";
import { routes } from "../../crds/wire/routes.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import { LEDGER_NAME } from "../../operator/ledger.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";

type Spec = Partial<LayerSpecInput>;

describe("layers on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let namespace: string;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
  });
  after(() => world.stop());
  beforeEach(async () => {
    namespace = await world.makeNamespace();
  });

  const files = (text: string, name = "a.txt") => ({ content: { files: { [name]: text } } });

  async function createLayer(name: string, spec: Spec = files(name), where = namespace): Promise<void> {
    const metadata = { namespace: where, name };
    await world.client.create({ apiVersion: API_VERSION, kind: "Layer", metadata, spec: { ...files(name), ...spec } });
  }

  async function getLayer(name: string, where = namespace): Promise<Stored<LayerObject>> {
    return await world.client.get<LayerObject>({ kind: layerKind, namespace: where, name });
  }

  async function patchLayer(name: string, spec: object): Promise<void> {
    await world.client.patch({ kind: layerKind, namespace, name }, { spec });
  }

  async function layerWith(
    name: string,
    want: { readonly type: string; readonly status: string; readonly reason?: string },
    where = namespace,
  ): Promise<Stored<LayerObject>> {
    return await world.until(`Layer "${name}" has ${want.type}=${want.status} ${want.reason ?? ""}`, async () => {
      const found = await getLayer(name, where);
      const condition = found.status?.conditions?.find(({ type }) => type === want.type);
      const isIt = condition?.status === want.status && (want.reason ?? condition.reason) === condition.reason;
      return isIt && condition.observedGeneration === found.metadata.generation ? found : undefined;
    });
  }

  async function readyLayer(name: string, spec?: Spec, where = namespace): Promise<Stored<LayerObject>> {
    await createLayer(name, spec, where);
    return await layerWith(name, { type: "Ready", status: "True" }, where);
  }

  async function untilVersion(name: string, version: number): Promise<Stored<LayerObject>> {
    return await world.until(`Layer "${name}" has version ${version}`, async () => {
      const found = await getLayer(name);
      return found.status?.latestVersion === version ? found : undefined;
    });
  }

  async function versionObjects(): Promise<readonly KubernetesObject[]> {
    const list = await world.client.list(kinds.controllerRevision, { namespace, labelSelector: labels.layerUid });
    return list.items;
  }

  async function ledger(): Promise<Readonly<Record<string, string>>> {
    const found = await world.client.get<KubernetesObject & { readonly data: Readonly<Record<string, string>> }>({
      ...{ kind: kinds.configMap, namespace, name: LEDGER_NAME },
    });
    return found.data;
  }

  async function readyFunction(name: string, layers: string[], where = namespace): Promise<Stored<FunctionObject>> {
    await world.createFunction(where, name, { layers });
    return await world.untilCondition({ namespace: where, name }, { type: "Ready", status: "True" });
  }

  async function untilLayerVersions(name: string, versions: readonly number[]): Promise<Stored<FunctionObject>> {
    return await world.until(`function "${name}" has layer versions ${versions.join()}`, async () => {
      const found = await world.getFunction(namespace, name);
      const has = found.status?.layers?.map(({ version }) => version).join();
      return has === versions.join() && found.status?.lastUpdateStatus === "Successful" ? found : undefined;
    });
  }

  async function podOf(object: Stored<FunctionObject>) {
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    const [pod] = await world.untilPods(object, ({ length }) => length === 1);
    assert.ok(pod !== undefined);
    return pod;
  }

  function messageOf({ status }: FunctionObject | LayerObject, type: string): string {
    return status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
  }

  describe("a Layer", () => {
    it("is published as version 1, and says all that AWS says of it", async () => {
      const { status, metadata } = await readyLayer("tools", {
        content: { files: { "extensions/agent.sh": "#!/bin/sh", "bin/tool": "#!/bin/sh" } },
        description: "Tools",
        compatibleRuntimes: ["python3.13", "nodejs24.x"],
        compatibleArchitectures: ["x86_64"],
      });
      const [version] = status?.versions ?? [];
      assert.equal(status?.latestVersion, 1);
      assert.equal(
        status.layerARN,
        layerArn({ region: "us-east-1", accountId: accountIdOf(namespace), name: "tools" }),
      );
      assert.match(version?.sha256 ?? "", /^[0-9a-f]{64}$/);
      assert.ok((version?.size ?? 0) > 0);
      assert.deepEqual(version?.extensions, ["agent.sh"]);
      assert.deepEqual(version.compatibleRuntimes, ["nodejs24.x", "python3.13"]);
      assert.equal(version.description, "Tools");
      const conditions = Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value]));
      assert.deepEqual(conditions, { ContentResolved: "True", Ready: "True", Reconciling: "False", Stalled: "False" });
      const [kept] = await versionObjects();
      assert.equal(kept?.metadata.name, "tools-layer-1");
      assert.equal(kept.metadata.ownerReferences?.[0]?.uid, metadata.uid);
    });

    it("publishes each change of content or description, and nothing when nothing changed", async () => {
      await readyLayer("tools", files("one"));
      await patchLayer("tools", { content: { files: { "a.txt": "two" } } });
      await untilVersion("tools", 2);
      await patchLayer("tools", { description: "other words" });
      await untilVersion("tools", 3);
      await patchLayer("tools", { allowedNamespaces: ["other"] });
      await layerWith("tools", { type: "Ready", status: "True" });
      await patchLayer("tools", { content: { files: { "a.txt": "one" } }, description: null });
      const { status } = await untilVersion("tools", 4);
      const digests = status?.versions?.map(({ sha256 }) => sha256) ?? [];
      assert.equal(digests[0], digests[3]);
      assert.equal(digests[1], digests[2]);
      assert.equal((await versionObjects()).length, 4);
    });

    it("keeps its versions and publishes none anew when the operator starts again", async () => {
      await readyLayer("tools", files("one"));
      await world.stopOperator(operator);
      operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
      await patchLayer("tools", { allowedNamespaces: ["x"] });
      const { status } = await layerWith("tools", { type: "Ready", status: "True" });
      assert.equal(status?.latestVersion, 1);
    });

    it("control-api 23: numbers are never given twice, not after versions nor after the Layer were deleted", async () => {
      await readyLayer("tools", files("one"));
      await patchLayer("tools", { content: { files: { "a.txt": "two" } } });
      await untilVersion("tools", 2);
      const [first] = await versionObjects();
      assert.ok(first !== undefined);
      await world.client.delete({ kind: kinds.controllerRevision, namespace, name: "tools-layer-2" });
      await untilVersion("tools", 3);
      await world.client.delete({ kind: layerKind, namespace, name: "tools" });
      // There is no garbage collector beside this API server.
      for (const { metadata } of await versionObjects())
        await world.client.delete({ kind: kinds.controllerRevision, namespace, name: metadata.name });
      await createLayer("again", { ...files("two"), name: "tools" });
      await untilVersion("again", 4);
      assert.deepEqual(await ledger(), { "layer.tools": "4" });
    });

    it("counts from its versions when the ledger is lost", async () => {
      await readyLayer("tools", files("one"));
      await world.client.delete({ kind: kinds.configMap, namespace, name: LEDGER_NAME });
      await patchLayer("tools", { content: { files: { "a.txt": "two" } } });
      await untilVersion("tools", 2);
      assert.deepEqual(await ledger(), { "layer.tools": "2" });
    });

    it("says that the ledger is unreadable, and goes on when it is mended", async () => {
      const metadata = { namespace, name: LEDGER_NAME };
      await world.client.create({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata,
        data: { "layer.tools": "x" },
      } as KubernetesObject);
      await createLayer("tools");
      const waiting = await layerWith("tools", { type: "Reconciling", status: "True", reason: "NumberUnavailable" });
      assert.match(
        messageOf(waiting, "Ready"),
        /entry "layer\.tools" of ConfigMap "kubelambda-ledger" is "x"; right is/,
      );
      assert.equal(waiting.status?.conditions?.find(({ type }) => type === "ContentResolved")?.status, "True");
      await world.client.patch(
        { kind: kinds.configMap, namespace, name: LEDGER_NAME },
        { data: { "layer.tools": "7" } },
      );
      await untilVersion("tools", 8);
    });

    const refusals: Record<string, { spec: Spec; reason: string; message: RegExp }> = {
      "a broken zip": { spec: { content: { zipFile: "bm90IGEgemlw" } }, reason: "InvalidArchive", message: /zip/i },
      "an object store": {
        spec: { content: { s3Bucket: "bucket", s3Key: "key" } },
        reason: "SourceNotServed",
        message: /^Cannot read the content from content.s3Bucket: this release does not take content from there/,
      },
    };
    for (const [what, { spec, reason, message }] of Object.entries(refusals)) {
      it(`says what is wrong with ${what}, and recovers`, async () => {
        await createLayer("bad", { ...spec });
        const failed = await layerWith("bad", { type: "Stalled", status: "True", reason });
        assert.match(messageOf(failed, "Ready"), message);
        assert.equal(failed.status?.latestVersion, undefined);
        await patchLayer("bad", { content: { zipFile: null, s3Bucket: null, s3Key: null, files: { a: "x" } } });
        await layerWith("bad", { type: "Ready", status: "True" });
      });
    }

    it("keeps its newest version while new content cannot be had", async () => {
      await readyLayer("tools", files("one"));
      await patchLayer("tools", { content: { files: null, zipFile: "bm90IGEgemlw" } });
      const failed = await layerWith("tools", { type: "Ready", status: "False", reason: "UpdateFailed" });
      assert.match(messageOf(failed, "Ready"), /; version 1 stays the newest$/);
    });

    it("waits for a ConfigMap and follows it", async () => {
      await createLayer("mapped", { content: { configMapRef: { name: "content" } } });
      await layerWith("mapped", { type: "ContentResolved", status: "False", reason: "ConfigMapNotFound" });
      const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "content" } };
      await world.client.create({ ...configMap, data: { a: "1" } } as KubernetesObject);
      await untilVersion("mapped", 1);
      await world.client.patch({ kind: kinds.configMap, namespace, name: "content" }, { data: { a: "2" } });
      await untilVersion("mapped", 2);
    });

    it("tells of each version by an event", async () => {
      await readyLayer("tools");
      const note = await world.until("an event", async () => {
        const { items } = await world.client.list<KubernetesObject & { reason: string; note: string }>(kinds.event, {
          namespace,
        });
        return items.find(({ reason }) => reason === "Published")?.note;
      });
      assert.match(note, /^Published version 1 \(sha256:[0-9a-f]{64}\)$/);
    });
  });

  describe("a function with layers", () => {
    it("gets them in the order of its spec, a name as the newest version, and all of it in its pod", async () => {
      await readyLayer("one", {
        content: { files: { a: "1", "extensions/zeta": "#!/bin/sh", "extensions/alpha.sh": "#!/bin/sh" } },
      });
      const two = await readyLayer("two", { content: { files: { a: "2" } } });
      const object = await readyFunction("hello", [`${two.status?.layerARN ?? ""}:1`, "one"]);
      assert.deepEqual(
        object.status?.layers?.map(({ name, version }) => [name, version]),
        [
          ["two", 1],
          ["one", 1],
        ],
      );
      assert.equal(messageOf(object, "LayersResolved"), '"two" is version 1; "one" is version 1');
      const { metadata, spec } = await podOf(object);
      const document = environmentDocumentSchema.parse(
        JSON.parse(metadata.annotations?.[annotations.environment] ?? ""),
      );
      assert.deepEqual(
        document.layers.map(({ name }) => name),
        ["two:1", "one:1"],
      );
      assert.deepEqual(JSON.parse(metadata.annotations?.[annotations.extensions] ?? ""), {
        "alpha.sh": "/run/kubelambda/extension-1/agent.sock",
        zeta: "/run/kubelambda/extension-2/agent.sock",
      });
      assert.deepEqual(
        spec.containers.map(({ name }) => name),
        ["agent", "runtime", "extension-1", "extension-2"],
      );
    });

    it("has a new revision for a new version of a layer that it names without one, and none for one that it names with", async () => {
      await readyLayer("tools", files("one"));
      const first = await readyFunction("newest", ["tools"]);
      const pinned = await readyFunction("pinned", ["tools:1"]);
      await patchLayer("tools", { content: { files: { "a.txt": "two" } } });
      const second = await untilLayerVersions("newest", [2]);
      assert.notEqual(second.status?.revisionID, first.status?.revisionID);
      assert.equal((await world.getFunction(namespace, "pinned")).status?.revisionID, pinned.status?.revisionID);
    });

    it("waits for a layer that is not there, and for a version, and takes them when they come", async () => {
      await world.createFunction(namespace, "early", { layers: ["tools", "other:2"] });
      const waiting = await world.untilCondition(
        { namespace, name: "early" },
        { type: "Ready", status: "False", reason: "LayerNotFound" },
      );
      assert.match(
        messageOf(waiting, "Ready"),
        /^Cannot use layer "tools": there is no such Layer in this namespace; waiting for it$/,
      );
      const conditions = waiting.status?.conditions?.map(({ type, status }) => `${type} ${status}`) ?? [];
      for (const want of ["CodeResolved True", "LayersResolved False", "Reconciling True", "Stalled False"])
        assert.ok(conditions.includes(want), want);
      await createLayer("tools");
      await readyLayer("other", files("one"));
      const second = await world.until("it waits for other:2", async () => {
        const found = await world.getFunction(namespace, "early");
        return messageOf(found, "Ready").includes('"other:2"') ? found : undefined;
      });
      assert.match(messageOf(second, "Ready"), /Layer version ARN does not exist\. The newest versions are 1; waiting/);
      await patchLayer("other", { content: { files: { "a.txt": "two" } } });
      await untilLayerVersions("early", [1, 2]);
    });

    it("waits for a layer whose content cannot be read, until it can", async () => {
      await createLayer("tools", { content: { zipFile: "bm90IGEgemlw" } });
      await world.createFunction(namespace, "early", { layers: ["tools"] });
      const want = { type: "LayersResolved", status: "False", reason: "LayerNotReady" };
      await world.untilCondition({ namespace, name: "early" }, want);
      await patchLayer("tools", { content: { zipFile: null, files: { a: "x" } } });
      await untilLayerVersions("early", [1]);
    });

    it("control-api 24: goes on when the layer is deleted, also with new code, and its content stays in the store", async () => {
      const layer = await readyLayer("tools", files("kept"));
      const before = await readyFunction("hello", ["tools"]);
      const digest = before.status?.layers?.[0]?.digest ?? "";
      await world.client.delete({ kind: layerKind, namespace, name: "tools" });
      await world.client.delete({ kind: kinds.controllerRevision, namespace, name: "tools-layer-1" });
      const kept = await world.untilCondition(
        { namespace, name: "hello" },
        { type: "LayersResolved", status: "True", reason: "LayersKept" },
      );
      assert.equal(messageOf(kept, "LayersResolved"), 'Layer "tools" is gone: this function goes on with version 1');
      assert.equal(kept.status?.revisionID, before.status?.revisionID);
      await world.patchSpec(namespace, "hello", { code: { files: { "index.mjs": "// two" } } });
      const after = await world.untilCondition({ namespace, name: "hello" }, { type: "Ready", status: "True" });
      assert.notEqual(after.status?.revisionID, before.status?.revisionID);
      assert.equal(after.status?.layers?.[0]?.digest, digest);
      world.store.advance(7_200_000);
      await world.until("unused packages were collected", async () => {
        const gone = await world.store.request(routes.object(before.status?.codeDigest ?? ""), {
          token: `${namespace}/default`,
        });
        return gone.status === 404 ? true : undefined;
      });
      const there = await world.store.request(routes.object(digest), { token: `${namespace}/default` });
      assert.equal(there.status, 200);
      assert.ok(layer.status?.versions?.[0]?.sha256 === digest.slice(7));
      await world.createFunction(namespace, "late", { layers: ["tools"] });
      await world.untilCondition(
        { namespace, name: "late" },
        { type: "LayersResolved", status: "False", reason: "LayerNotFound" },
      );
    });

    it("uses a layer of another namespace where that grants it, and its environments may read it", async () => {
      const owner = await world.makeNamespace();
      const layer = await readyLayer("shared", files("shared"), owner);
      const arn = `${layer.status?.layerARN ?? ""}:1`;
      await world.createFunction(namespace, "hello", { layers: [arn] });
      await world.untilCondition(
        { namespace, name: "hello" },
        { type: "LayersResolved", status: "False", reason: "LayerNotGranted" },
      );
      await world.client.patch(
        { kind: layerKind, namespace: owner, name: "shared" },
        { spec: { allowedNamespaces: [namespace] } },
      );
      const ready = await world.untilCondition({ namespace, name: "hello" }, { type: "Ready", status: "True" });
      const [used] = ready.status?.layers ?? [];
      assert.equal(used?.name, layer.status?.layerARN);
      const read = await world.store.request(routes.object(used?.digest ?? ""), { token: `${namespace}/default` });
      assert.equal(read.status, 200);
      await world.client.patch(
        { kind: layerKind, namespace: owner, name: "shared" },
        { spec: { allowedNamespaces: null } },
      );
      const kept = await world.untilCondition(
        { namespace, name: "hello" },
        { type: "LayersResolved", status: "True", reason: "LayersKept" },
      );
      assert.equal(kept.status?.revisionID, ready.status?.revisionID);
    });

    it("packages 8: six layers are refused", async () => {
      const layers = ["a", "b", "c", "d", "e", "f"];
      await assert.rejects(world.createFunction(namespace, "six", { layers }), /5 items/);
    });

    it("is refused a layer twice, also once by its name and once by its ARN", async () => {
      const layer = await readyLayer("tools");
      const twice = world.createFunction(namespace, "same", { layers: ["tools:1", "tools"] });
      await assert.rejects(twice, /Two different versions of the same layer are not allowed/);
      await world.createFunction(namespace, "both", { layers: ["tools", `${layer.status?.layerARN ?? ""}:1`] });
      const want = { type: "Stalled", status: "True", reason: "LayerNamedTwice" };
      const failed = await world.untilCondition({ namespace, name: "both" }, want);
      assert.match(messageOf(failed, "Ready"), /^Two different versions of the same layer are not allowed/);
    });

    it("is refused a layer of another region", async () => {
      const arn = layerArn({ region: "eu-west-9", accountId: accountIdOf(namespace), name: "tools", version: 1 });
      await world.createFunction(namespace, "far", { layers: [arn] });
      const want = { type: "Stalled", status: "True", reason: "LayerInOtherRegion" };
      const failed = await world.untilCondition({ namespace, name: "far" }, want);
      assert.match(messageOf(failed, "Ready"), /Layers are expected to be in region us-east-1\.$/);
    });

    it("brings back a layer that the store has lost", async () => {
      await readyLayer("tools", files("lost"));
      const object = await readyFunction("hello", ["tools"]);
      const pod = await podOf(object);
      const digest = object.status?.layers?.[0]?.digest ?? "";
      world.store.advance(7_200_000);
      const references = { [namespace]: [object.status?.codeDigest ?? ""] };
      await world.store.request(routes.references, {
        token: "kubelambda/operator",
        method: "PUT",
        body: { references },
      });
      const gone = await world.store.request(routes.object(digest), { token: `${namespace}/default` });
      assert.equal(gone.status, 404);
      const terminated = { exitCode: 1, message: 'Cannot assemble layer "tools:1"' };
      const status = {
        name: "assemble",
        ready: false,
        restartCount: 0,
        image: "x",
        imageID: "",
        state: { terminated },
      };
      await world.setPodStatus(pod, { phase: "Failed", initContainerStatuses: [status] });
      await world.until("it is there again", async () => {
        const found = await world.store.request(routes.object(digest), { token: `${namespace}/default` });
        return found.status === 200 ? true : undefined;
      });
    });

    it("leaves nothing behind that keeps a namespace: its objects have no finalizers", async () => {
      const layer = await readyLayer("tools");
      const object = await readyFunction("hello", ["tools"]);
      const all = [layer, object, ...(await versionObjects())];
      assert.ok(all.every(({ metadata }) => (metadata.finalizers ?? []).length === 0));
      await world.client.delete({ kind: functionKind, namespace, name: "hello" });
      await world.client.delete({ kind: layerKind, namespace, name: "tools" });
    });
  });
});
