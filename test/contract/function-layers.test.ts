/** Functions with layers on the whole operator, against a real API server and a real package store. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { accountIdOf, annotations, layerArn } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { environmentDocumentSchema } from "../../crds/wire/environment.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { files, LayerSpace, messageOf } from "../kit/layer-space.ts";
import { namesOfOneAccount } from "../kit/names-of-one-account.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";

describe("functions with layers on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let layers: LayerSpace;
  let namespace: string;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
  });
  after(() => world.stop());
  beforeEach(async () => {
    layers = await LayerSpace.open(world);
    namespace = layers.namespace;
  });

  async function readyFunction(name: string, uses: string[]): Promise<Stored<FunctionObject>> {
    await world.createFunction(namespace, name, { layers: uses });
    return await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
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

  it("gets them in the order of its spec, a name as the newest version, and all of it in its pod", async () => {
    await layers.ready("one", {
      content: { files: { a: "1", "extensions/zeta": "#!/bin/sh", "extensions/alpha.sh": "#!/bin/sh" } },
    });
    const two = await layers.ready("two", { content: { files: { a: "2" } } });
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
    const document = environmentDocumentSchema.parse(JSON.parse(metadata.annotations?.[annotations.environment] ?? ""));
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
    await layers.ready("tools", files("one"));
    const first = await readyFunction("newest", ["tools"]);
    const pinned = await readyFunction("pinned", ["tools:1"]);
    await layers.patch("tools", { content: { files: { "a.txt": "two" } } });
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
    await layers.create("tools");
    await layers.ready("other", files("one"));
    const second = await world.until("it waits for other:2", async () => {
      const found = await world.getFunction(namespace, "early");
      return messageOf(found, "Ready").includes('"other:2"') ? found : undefined;
    });
    assert.match(messageOf(second, "Ready"), /Layer version ARN does not exist\. The newest versions are 1; waiting/);
    await layers.patch("other", { content: { files: { "a.txt": "two" } } });
    await untilLayerVersions("early", [1, 2]);
  });

  it("waits for a layer whose content cannot be read, until it can", async () => {
    await layers.create("tools", { content: { zipFile: "bm90IGEgemlw" } });
    await world.createFunction(namespace, "early", { layers: ["tools"] });
    const want = { type: "LayersResolved", status: "False", reason: "LayerNotReady" };
    await world.untilCondition({ namespace, name: "early" }, want);
    await layers.patch("tools", { content: { zipFile: null, files: { a: "x" } } });
    await untilLayerVersions("early", [1]);
  });

  it("control-api 24: goes on when the layer is deleted, also with new code, and its content stays in the store", async () => {
    const layer = await layers.ready("tools", files("kept"));
    const before = await readyFunction("hello", ["tools"]);
    const digest = before.status?.layers?.[0]?.digest ?? "";
    await layers.delete("tools");
    await layers.deleteVersion("tools-layer-1");
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
    const owner = await LayerSpace.open(world);
    const layer = await owner.ready("shared", files("shared"));
    const arn = `${layer.status?.layerARN ?? ""}:1`;
    await world.createFunction(namespace, "hello", { layers: [arn] });
    await world.untilCondition(
      { namespace, name: "hello" },
      { type: "LayersResolved", status: "False", reason: "LayerNotGranted" },
    );
    await owner.patch("shared", { allowedNamespaces: [namespace] });
    const ready = await world.untilCondition({ namespace, name: "hello" }, { type: "Ready", status: "True" });
    const [used] = ready.status?.layers ?? [];
    assert.equal(used?.name, layer.status?.layerARN);
    const read = await world.store.request(routes.object(used?.digest ?? ""), { token: `${namespace}/default` });
    assert.equal(read.status, 200);
    await owner.patch("shared", { allowedNamespaces: null });
    const kept = await world.untilCondition(
      { namespace, name: "hello" },
      { type: "LayersResolved", status: "True", reason: "LayersKept" },
    );
    assert.equal(kept.status?.revisionID, ready.status?.revisionID);
  });

  it("uses its own namespace's layer where another namespace has the same account id, and neither's from elsewhere", async () => {
    const open = async (name: string): Promise<LayerSpace> =>
      await LayerSpace.open(world, await world.makeNamespace(name));
    const [first, second] = [await open(namesOfOneAccount[0]), await open(namesOfOneAccount[1])];
    const layer = await first.ready("shared", { ...files("first"), allowedNamespaces: ["*"] });
    const arn = `${layer.status?.layerARN ?? ""}:1`;
    await world.createFunction(second.namespace, "own", { layers: ["shared"] });
    await world.untilCondition(
      { namespace: second.namespace, name: "own" },
      { type: "LayersResolved", status: "False", reason: "LayerNotFound" },
    );
    await second.ready("shared", { ...files("second"), allowedNamespaces: ["*"] });
    await world.untilCondition({ namespace: second.namespace, name: "own" }, { type: "Ready", status: "True" });
    await world.createFunction(namespace, "other", { layers: [arn] });
    await world.untilCondition(
      { namespace, name: "other" },
      { type: "LayersResolved", status: "False", reason: "LayerNotGranted" },
    );
  });

  it("packages 8: six layers are refused", async () => {
    const six = ["a", "b", "c", "d", "e", "f"];
    await assert.rejects(world.createFunction(namespace, "six", { layers: six }), /5 items/);
  });

  it("is refused a layer twice, also once by its name and once by its ARN", async () => {
    const layer = await layers.ready("tools");
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
    await layers.ready("tools", files("lost"));
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
    const layer = await layers.ready("tools");
    const object = await readyFunction("hello", ["tools"]);
    const all = [layer, object, ...(await layers.versions())];
    assert.ok(all.every(({ metadata }) => (metadata.finalizers ?? []).length === 0));
    await world.client.delete({ kind: functionKind, namespace, name: "hello" });
    await layers.delete("tools");
  });
});
