/** Layers on the whole operator, against a real API server and a real package store. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { accountIdOf, layerArn } from "../../crds/names.ts";
import type { LayerSpecInput } from "../../crds/v1alpha1/layer.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { LEDGER_NAME } from "../../operator/ledger.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { changedClient } from "../kit/changed-client.ts";
import { files, LayerSpace, messageOf } from "../kit/layer-space.ts";
import { OperatorWorld } from "../kit/operator-world.ts";

describe("layers on a real API server", function () {
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

  it("is published as version 1, and says all that AWS says of it", async () => {
    const { status, metadata } = await layers.ready("tools", {
      content: { files: { "extensions/agent.sh": "#!/bin/sh", "bin/tool": "#!/bin/sh" } },
      description: "Tools",
      compatibleRuntimes: ["python3.13", "nodejs24.x"],
      compatibleArchitectures: ["x86_64"],
    });
    const [version] = status?.versions ?? [];
    assert.equal(status?.latestVersion, 1);
    assert.equal(status.layerARN, layerArn({ region: "us-east-1", accountId: accountIdOf(namespace), name: "tools" }));
    assert.match(version?.sha256 ?? "", /^[0-9a-f]{64}$/);
    assert.ok((version?.size ?? 0) > 0);
    assert.deepEqual(version?.extensions, ["agent.sh"]);
    assert.deepEqual(version.compatibleRuntimes, ["nodejs24.x", "python3.13"]);
    assert.equal(version.description, "Tools");
    const conditions = Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value]));
    assert.deepEqual(conditions, { ContentResolved: "True", Ready: "True", Reconciling: "False", Stalled: "False" });
    const [kept] = await layers.versions();
    assert.equal(kept?.metadata.name, "tools-layer-1");
    assert.equal(kept.metadata.ownerReferences?.[0]?.uid, metadata.uid);
  });

  it("publishes each change of content or description, and nothing when nothing changed", async () => {
    await layers.ready("tools", files("one"));
    await layers.patch("tools", { content: { files: { "a.txt": "two" } } });
    await layers.untilVersion("tools", 2);
    await layers.patch("tools", { description: "other words" });
    await layers.untilVersion("tools", 3);
    await layers.patch("tools", { allowedNamespaces: ["other"] });
    await layers.untilCondition("tools", { type: "Ready", status: "True" });
    await layers.patch("tools", { content: { files: { "a.txt": "one" } }, description: null });
    const { status } = await layers.untilVersion("tools", 4);
    const digests = status?.versions?.map(({ sha256 }) => sha256) ?? [];
    assert.equal(digests[0], digests[3]);
    assert.equal(digests[1], digests[2]);
    assert.equal((await layers.versions()).length, 4);
  });

  it("keeps its versions and publishes none anew when the operator starts again", async () => {
    await layers.ready("tools", files("one"));
    await world.stopOperator(operator);
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
    await layers.patch("tools", { allowedNamespaces: ["x"] });
    const { status } = await layers.untilCondition("tools", { type: "Ready", status: "True" });
    assert.equal(status?.latestVersion, 1);
  });

  it("control-api 23: numbers are never given twice, not after versions nor after the Layer were deleted", async () => {
    await layers.ready("tools", files("one"));
    await layers.patch("tools", { content: { files: { "a.txt": "two" } } });
    await layers.untilVersion("tools", 2);
    const [first] = await layers.versions();
    assert.ok(first !== undefined);
    await layers.deleteVersion("tools-layer-2");
    await layers.untilVersion("tools", 3);
    await layers.delete("tools");
    // There is no garbage collector beside this API server.
    for (const { metadata } of await layers.versions()) await layers.deleteVersion(metadata.name);
    await layers.create("again", { ...files("two"), name: "tools" });
    await layers.untilVersion("again", 4);
    assert.deepEqual(await layers.ledger(), { "layer.tools": "4" });
  });

  it("gives its number again to what an operator died over before the version was kept", async () => {
    const other = await LayerSpace.open(world);
    let tries = 0;
    const client = changedClient(world.client, "create", async (call, { kind }) => {
      if (kind !== "ControllerRevision") return await call();
      tries++;
      throw new Error("died");
    });
    await world.stopOperator(operator);
    const dying = await world.startOperator({}, { client });
    await other.create("tools");
    await world.until("a number is taken and its version refused", () => Promise.resolve(tries > 0 ? true : undefined));
    await world.stopOperator(dying);
    assert.deepEqual([await other.ledger(), await other.versions()], [{ "layer.tools": "1" }, []]);
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
    const { status } = await other.untilVersion("tools", 1);
    assert.deepEqual(
      status?.versions?.map(({ version }) => version),
      [1],
    );
    assert.deepEqual(await other.ledger(), { "layer.tools": "1" });
  });

  it("counts from its versions when the ledger is lost", async () => {
    await layers.ready("tools", files("one"));
    await world.client.delete({ kind: kinds.configMap, namespace, name: LEDGER_NAME });
    await layers.patch("tools", { content: { files: { "a.txt": "two" } } });
    await layers.untilVersion("tools", 2);
    assert.deepEqual(await layers.ledger(), { "layer.tools": "2" });
  });

  it("says that the ledger is unreadable, and goes on when it is mended", async () => {
    const metadata = { namespace, name: LEDGER_NAME };
    await world.client.create({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata,
      data: { "layer.tools": "x" },
    } as KubernetesObject);
    await layers.create("tools");
    const waiting = await layers.untilCondition("tools", {
      type: "Reconciling",
      status: "True",
      reason: "NumberUnavailable",
    });
    assert.match(messageOf(waiting, "Ready"), /entry "layer\.tools" of ConfigMap "kubelambda-ledger" is "x"; right is/);
    assert.equal(waiting.status?.conditions?.find(({ type }) => type === "ContentResolved")?.status, "True");
    await world.client.patch({ kind: kinds.configMap, namespace, name: LEDGER_NAME }, { data: { "layer.tools": "7" } });
    await layers.untilVersion("tools", 8);
  });

  const refusals: Record<string, { spec: Partial<LayerSpecInput>; reason: string; message: RegExp }> = {
    "a broken zip": { spec: { content: { zipFile: "bm90IGEgemlw" } }, reason: "InvalidArchive", message: /zip/i },
  };
  for (const [what, { spec, reason, message }] of Object.entries(refusals)) {
    it(`says what is wrong with ${what}, and recovers`, async () => {
      await layers.create("bad", { ...spec });
      const failed = await layers.untilCondition("bad", { type: "Stalled", status: "True", reason });
      assert.match(messageOf(failed, "Ready"), message);
      assert.equal(failed.status?.latestVersion, undefined);
      await layers.patch("bad", { content: { zipFile: null, oci: null, files: { a: "x" } } });
      await layers.untilCondition("bad", { type: "Ready", status: "True" });
    });
  }

  it("keeps its newest version while new content cannot be had", async () => {
    await layers.ready("tools", files("one"));
    await layers.patch("tools", { content: { files: null, zipFile: "bm90IGEgemlw" } });
    const failed = await layers.untilCondition("tools", { type: "Ready", status: "False", reason: "UpdateFailed" });
    assert.match(messageOf(failed, "Ready"), /; version 1 stays the newest$/);
  });

  it("waits for a ConfigMap and follows it", async () => {
    await layers.create("mapped", { content: { configMapRef: { name: "content" } } });
    await layers.untilCondition("mapped", { type: "ContentResolved", status: "False", reason: "ConfigMapNotFound" });
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "content" } };
    await world.client.create({ ...configMap, data: { a: "1" } } as KubernetesObject);
    await layers.untilVersion("mapped", 1);
    await world.client.patch({ kind: kinds.configMap, namespace, name: "content" }, { data: { a: "2" } });
    await layers.untilVersion("mapped", 2);
  });

  it("tells of each version by an event", async () => {
    await layers.ready("tools");
    const note = await world.until("an event", async () => {
      const { items } = await world.client.list<KubernetesObject & { reason: string; note: string }>(kinds.event, {
        namespace,
      });
      return items.find(({ reason }) => reason === "Published")?.note;
    });
    assert.match(note, /^Published version 1 \(sha256:[0-9a-f]{64}\)$/);
  });
});
