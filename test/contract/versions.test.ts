/** Versions on the whole operator, against a real API server and a real package store. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { accountIdOf, annotations, functionArn, labels } from "../../crds/names.ts";
import { environmentDocumentSchema } from "../../crds/wire/environment.ts";
import { routes } from "../../crds/wire/routes.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { LayerSpace } from "../kit/layer-space.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { code, messageOf, VersionSpace } from "../kit/version-space.ts";

function containerEnd(name: string, exitCode: number, message: string) {
  const at = new Date().toISOString();
  const terminated = { exitCode, message, reason: "Error", startedAt: at, finishedAt: at };
  return { name, ready: false, restartCount: 0, image: "x", imageID: "", state: { terminated } };
}

describe("versions on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let space: VersionSpace;
  let namespace: string;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
  });
  after(() => world.stop());
  beforeEach(async () => {
    space = await VersionSpace.open(world);
    namespace = space.namespace;
  });

  it("versions-aliases 1: is published as version 1, and says what AWS says of it", async () => {
    const { status } = await space.function();
    await space.createVersion("first", { description: "the first" });
    const version = await space.untilVersion("first");
    assert.equal(version.status?.version, 1);
    const accountId = accountIdOf(namespace);
    const arn = functionArn({ region: "us-east-1", accountId, name: "f", qualifier: "1" });
    assert.equal(version.status.functionARN, arn);
    assert.equal(version.status.codeSHA256, status?.codeSHA256);
    assert.equal(version.status.description, "the first");
    assert.equal(version.status.timeout, 3);
    assert.notEqual(version.status.revisionID, status?.revisionID);
    const [kept] = await space.snapshots();
    assert.equal(kept?.metadata.name, version.status.snapshot);
    assert.equal(kept?.metadata.ownerReferences?.[0]?.uid, version.metadata.uid);
    assert.equal(kept.data.recipe.document.version, "1");
  });

  it("versions-aliases 2: with nothing changed it is the version that is there, with the old description", async () => {
    await space.function();
    await space.published("first", { description: "old" });
    await space.createVersion("second", { description: "new" });
    const second = await space.untilVersion("second", { type: "Ready", status: "True", reason: "Unchanged" });
    assert.equal(second.status?.version, 1);
    assert.equal(second.status.description, "old");
    assert.deepEqual(await space.ledger(), { "function.f": "1" });
  });

  it("versions-aliases 3: reserved concurrency, tags and the like are no change", async () => {
    await space.function();
    await space.published("first");
    await space.change({ reservedConcurrentExecutions: 3, tags: { a: "b" }, idleTimeoutSeconds: 9 });
    assert.equal(await space.published("second"), 1);
  });

  it("versions-aliases 4: a description, a variable, a role and code each are a change", async () => {
    await space.function();
    const changes = [
      { description: "words" },
      { environment: { variables: { COLOR: "red" } } },
      { role: "arn:aws:iam::123456789012:role/r" },
      code("two"),
    ];
    assert.equal(await space.published("v1"), 1);
    for (const [index, change] of changes.entries()) {
      await space.change(change);
      assert.equal(await space.published(`v${index + 2}`), index + 2);
    }
  });

  it("versions-aliases 5: numbers are never given twice, not after versions nor after the function were deleted", async () => {
    await space.function();
    for (const text of ["one", "two", "three"]) {
      await space.change(code(text));
      await space.published(text);
    }
    await space.deleteVersion("three");
    await space.untilGone("three");
    assert.equal((await space.snapshots()).length, 2);
    await space.change(code("four"));
    assert.equal(await space.published("four"), 4);
    for (const name of ["one", "two", "four"]) {
      await space.deleteVersion(name);
      await space.untilGone(name);
    }
    await world.client.delete({ kind: world.functionKind, namespace, name: "f" });
    await space.function("four");
    assert.equal(await space.published("again"), 5);
  });

  it("versions-aliases 6: stands as it is when $LATEST changes, the operator starts again, and all statuses are lost", async () => {
    const { status } = await space.function("one", { environment: { variables: { COLOR: "red" } } });
    await space.published("first");
    const [kept] = await space.snapshots();
    await space.change({ ...code("two"), environment: { variables: { COLOR: "blue" } } });
    await world.stopOperator(operator);
    const { status: before } = await space.version("first");
    await world.client.patch(space.versionRef("first"), { status: null }, { subresource: "status" });
    await world.client.patch(
      { kind: kinds.controllerRevision, namespace, name: kept?.metadata.name ?? "" },
      { metadata: { ownerReferences: null } },
    );
    operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
    const after = await space.untilVersion("first");
    assert.deepEqual({ ...after.status, conditions: [] }, { ...before, conditions: [] });
    assert.equal(after.status?.codeSHA256, status?.codeSHA256);
    const [adopted] = await space.snapshots();
    assert.deepEqual(adopted?.data, kept?.data);
    assert.equal(adopted?.data.recipe.document.variables["COLOR"], "red");
    assert.equal(adopted.metadata.ownerReferences?.[0]?.uid, after.metadata.uid);
  });

  it("versions-aliases 7: waits for the code that codeSHA256 names, with both hashes in the message", async () => {
    const first = await space.function("one");
    const second = await space.change(code("two"));
    await space.createVersion("v", { codeSHA256: first.status?.codeSHA256 });
    const waiting = await space.untilVersion("v", { type: "Ready", status: "False", reason: "CodeDiffers" });
    assert.equal(
      messageOf(waiting, "Ready"),
      `CodeSHA256 (${first.status?.codeSHA256 ?? ""}) is different from current CodeSHA256 in $LATEST (${second.status?.codeSHA256 ?? ""}). Please try again with the CodeSHA256 in $LATEST.`,
    );
    await space.change(code("one"));
    assert.equal((await space.untilVersion("v")).status?.version, 1);
  });

  it("waits for its function, by name, by object and by ARN, and for a spec that runs", async () => {
    await space.createVersion("early");
    const waiting = await space.untilVersion("early", { type: "Ready", status: "False", reason: "FunctionNotFound" });
    assert.equal(waiting.status?.conditions?.find(({ type }) => type === "Reconciling")?.status, "True");
    await space.createVersion("object", { functionRef: { from: { name: "f" } } });
    const accountId = accountIdOf(namespace);
    await space.createVersion("arn", { functionName: functionArn({ region: "us-east-1", accountId, name: "f" }) });
    await world.createFunction(namespace, "f", { runtime: "cobol" });
    await space.untilVersion("early", { type: "Ready", status: "False", reason: "FunctionNotReady" });
    await space.change({ runtime: "nodejs24.x" });
    for (const name of ["early", "object", "arn"]) assert.equal((await space.untilVersion(name)).status?.version, 1);
  });

  it("refuses a function of another account or region", async () => {
    await space.function();
    const arn = functionArn({ region: "eu-west-1", accountId: accountIdOf(namespace), name: "f" });
    await space.createVersion("abroad", { functionName: arn });
    await space.untilVersion("abroad", { type: "Stalled", status: "True", reason: "OtherAccount" });
  });

  it("claims a number, also one below others, and never one that other code had", async () => {
    await space.function();
    assert.equal(await space.published("seven", { version: 7 }), 7);
    assert.equal(await space.published("three", { version: 3 }), 3);
    await space.change(code("two"));
    assert.equal(await space.published("next"), 8);
    await space.createVersion("other", { version: 3 });
    const refused = await space.untilVersion("other", { type: "Stalled", status: "True", reason: "NumberTaken" });
    assert.match(messageOf(refused, "Ready"), /^Cannot publish as version 3: that number was given to other code/);
    await space.deleteVersion("three");
    await space.untilGone("three");
    await space.createVersion("again", { version: 3 });
    await space.untilVersion("again", { type: "Stalled", status: "True", reason: "NumberTaken" });
    await space.change(code("one"));
    await space.createVersion("same", { version: 3 });
    assert.equal((await space.untilVersion("same")).status?.version, 3);
  });

  it("versions-aliases 14: stays while an alias needs it, says which, and goes when that is gone", async () => {
    await space.function();
    await space.published("first");
    await space.change(code("two"));
    await space.published("second");
    await space.createAlias("live", {
      functionVersion: "1",
      routingConfig: { additionalVersionWeights: { "2": 0.1 } },
    });
    await space.untilAlias("live");
    for (const name of ["first", "second"]) {
      await space.deleteVersion(name);
      const held = await space.untilVersion(name, { type: "Ready", status: "True", reason: "HeldByAlias" });
      const text = "Unable to delete version because the following aliases reference it: [live]";
      assert.equal(messageOf(held, "Ready"), text);
    }
    await space.patchAlias("live", { routingConfig: null });
    await space.untilGone("second");
    await space.deleteAlias("live");
    await space.untilGone("first");
    assert.deepEqual(await space.snapshots(), []);
  });

  it("goes with its namespace, whatever refers to what", async () => {
    await space.function();
    await space.published("first");
    await space.createAlias("live");
    await space.untilAlias("live");
    // What the namespace controller does, of which this API server has none: everything is deleted at once.
    await space.deleteVersion("first");
    await space.untilVersion("first", { type: "Ready", status: "True", reason: "HeldByAlias" });
    await space.deleteAlias("live");
    await space.untilGone("first");
  });

  it("has environments of its own, made from what was frozen, beside those of $LATEST", async () => {
    await space.function("one", { environment: { variables: { COLOR: "red" } }, memorySize: 192 });
    await space.createVersion("first");
    const { status } = await space.untilVersion("first");
    const object = await space.change({ ...code("two"), environment: { variables: { COLOR: "blue" } } });
    const version = loadOf(object, { revisionID: status?.revisionID ?? "", needed: 1 });
    await world.report(operator, [loadOf(object, { needed: 1 }), version]);
    const pods = await world.untilPods(object, ({ length }) => length === 2);
    const documents = pods.map(({ metadata }) =>
      environmentDocumentSchema.parse(JSON.parse(metadata.annotations?.[annotations.environment] ?? "")),
    );
    const seen = documents.map((document) => [document.version, document.variables["COLOR"], document.revisionID]);
    assert.deepEqual(seen.toSorted(), [
      ["$LATEST", "blue", object.status?.revisionID],
      ["1", "red", status?.revisionID],
    ]);
    const own = pods.find(({ metadata }) => metadata.labels?.[labels.revision] === status?.revisionID);
    assert.ok(own !== undefined);
    await world.setPodStatus(own, {
      phase: "Failed",
      initContainerStatuses: [containerEnd("assemble", 1, "Cannot assemble: no such package")],
    });
    const unhealthy = await space.untilVersion("first", { type: "EnvironmentsHealthy", status: "False" });
    assert.match(messageOf(unhealthy, "EnvironmentsHealthy"), /no such package/);
    assert.equal(unhealthy.status?.conditions?.find(({ type }) => type === "Ready")?.status, "True");
    const { status: function_ } = await world.getFunction(namespace, "f");
    assert.equal(function_?.conditions?.find(({ type }) => type === "EnvironmentsHealthy")?.status, "True");
  });

  it("keeps its code and layers in the package store as long as it stands, and no longer", async () => {
    const layers = await LayerSpace.open(world, namespace);
    await layers.ready("tools");
    const first = await space.function("one", { layers: ["tools"] });
    await space.published("first");
    await space.change({ ...code("two"), layers: null });
    await layers.delete("tools");
    await layers.deleteVersion("tools-layer-1");
    const needed = [first.status?.codeDigest ?? "", first.status?.layers?.[0]?.digest ?? ""];
    const statuses = async (): Promise<number[]> => {
      const token = `${namespace}/default`;
      const answers = needed.map((digest) => world.store.request(routes.object(digest), { token }));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    // What nobody needs is there to show when the store has collected.
    const other = await world.createFunction(namespace, "other", code("unneeded"));
    const unneeded = await world.untilCondition({ namespace, name: "other" }, { type: "Ready", status: "True" });
    await world.client.delete({ kind: world.functionKind, namespace, name: "other" });
    for (const { metadata } of (await world.client.list(kinds.controllerRevision, { namespace })).items)
      if (metadata.ownerReferences?.[0]?.uid === other.metadata.uid)
        await world.client.delete({ kind: kinds.controllerRevision, namespace, name: metadata.name });
    const isCollected = async (digest: string): Promise<true | undefined> => {
      const { status } = await world.store.request(routes.object(digest), { token: `${namespace}/default` });
      return status === 404 ? true : undefined;
    };
    world.store.advance(7_200_000);
    await world.until("the store has collected", () => isCollected(unneeded.status?.codeDigest ?? ""));
    assert.deepEqual(await statuses(), [200, 200]);
    await space.deleteVersion("first");
    await space.untilGone("first");
    world.store.advance(7_200_000);
    await world.until("the version's code is collected", () => isCollected(needed[0] ?? ""));
    await world.until("its layer is, too", () => isCollected(needed[1] ?? ""));
  });

  it("is kept without its function, says so, and serves again when that is made anew", async () => {
    await space.function();
    const before = await space.published("first");
    await world.client.delete({ kind: world.functionKind, namespace, name: "f" });
    const kept = await space.untilVersion("first", { type: "Ready", status: "False", reason: "FunctionNotFound" });
    assert.match(messageOf(kept, "Ready"), /^Version 1 is kept and cannot be invoked/);
    await space.function("other");
    assert.equal((await space.untilVersion("first")).status?.version, before);
  });
});
