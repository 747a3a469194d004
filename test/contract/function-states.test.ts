/** States of a function over its life, as Lambda names them, in every state that a watch shows. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { eventSourceMappingKind } from "../../crds/v1alpha1/event-source-mapping.ts";
import { functionKind, type FunctionObject, type FunctionStatus } from "../../crds/v1alpha1/function.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { History } from "../kit/kubernetes/history.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { code, VersionSpace } from "../kit/version-space.ts";

describe("states of a function on a real API server", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let space: VersionSpace;
  let history: History;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator();
  });
  after(() => world.stop());
  beforeEach(async () => {
    space = await VersionSpace.open(world);
    history = await History.start(world.client, space.namespace, [functionKind]);
  });

  /** Of statuses that say anything, without repetitions. */
  async function course(read: (status: FunctionStatus) => string): Promise<readonly string[]> {
    await history.stop();
    const statuses = history.states.map(({ object }) => (object as unknown as FunctionObject).status);
    const texts = statuses.flatMap((status) => (status?.state === undefined ? [] : [read(status)]));
    return texts.filter((text, i) => text !== texts[i - 1]);
  }

  const stateOf = ({ state, stateReasonCode, lastUpdateStatus }: FunctionStatus): string =>
    [state, stateReasonCode, lastUpdateStatus].filter(Boolean).join(" ");

  it("versions-aliases 27: is Pending while it is being created, then Active without a reason and Successful", async () => {
    const { status } = await space.function();
    assert.deepEqual([status?.stateReason, status?.stateReasonCode], [undefined, undefined]);
    assert.deepEqual(await course(stateOf), ["Pending Creating", "Active Successful"]);
  });

  it("versions-aliases 8: a function that is created with publish has version 1, its own ARN no qualifier", async () => {
    await space.function("one", { publish: true });
    const [version] = await world.until("it is published", async () => {
      const versions = await space.versions();
      return versions[0]?.status?.version === undefined ? undefined : versions;
    });
    const { status } = await world.getFunction(space.namespace, "f");
    assert.equal(version?.status?.functionARN, `${status?.functionARN ?? ""}:1`);
    assert.match(status?.functionARN ?? "", /:function:f$/);
  });

  it("versions-aliases 9, 28: an update is InProgress, and what was there serves until it is done, also when another update comes meanwhile", async () => {
    const before = await space.function("one", { publish: true });
    await world.patchSpec(space.namespace, "f", code("two"));
    await space.change(code("three"));
    const seen = await course(({ revisionID = "", state = "", lastUpdateStatus = "" }) => {
      const serves = revisionID === before.status?.revisionID ? "first" : "later";
      return revisionID === "" ? state : `${state} ${lastUpdateStatus} ${serves}`;
    });
    assert.deepEqual(seen.slice(0, 3), ["Pending", "Active Successful first", "Active InProgress first"]);
    assert.equal(seen.at(-1), "Active Successful later");
    assert.ok(seen.every((text) => text === "Pending" || text.startsWith("Active ")));
  });

  it("versions-aliases 29: an update that fails leaves it Active with a reason, and environments are made of what was there", async () => {
    const before = await space.function();
    await world.patchSpec(space.namespace, "f", { code: { files: null, zipFile: "bm90IGEgemlw" } });
    const want = { type: "Stalled", status: "True" };
    const failed = await world.untilCondition({ namespace: space.namespace, name: "f" }, want);
    const { state, lastUpdateStatus, lastUpdateStatusReasonCode, revisionID } = failed.status ?? {};
    assert.deepEqual(
      [state, lastUpdateStatus, lastUpdateStatusReasonCode],
      ["Active", "Failed", "InvalidZipFileException"],
    );
    assert.equal(revisionID, before.status?.revisionID);
    await world.report(operator, [loadOf(failed, { needed: 1 })]);
    await world.untilPods(failed, ({ length }) => length === 1);
  });

  it("versions-aliases 32: a function that is deleted takes its URL's alias with it and leaves the event source mapping", async () => {
    await space.function("one", { autoPublishAlias: "live" });
    await world.until("it is published", async () => (await space.aliases())[0]?.status?.functionVersion);
    const { namespace } = space;
    const spec = { functionName: "f", eventSourceARN: "arn:aws:sqs:us-east-1:123456789012:q" };
    const metadata = { namespace, name: "mapping" };
    const mapping = { apiVersion: "kubelambda.dev/v1alpha1", kind: "EventSourceMapping", metadata, spec };
    await world.client.create(mapping);
    const { metadata: function_ } = await world.getFunction(namespace, "f");
    await world.client.delete({ kind: functionKind, namespace, name: "f" });
    // The garbage collector, of which this API server has none, goes by the owner.
    for (const child of [...(await space.versions()), ...(await space.aliases())])
      assert.equal(child.metadata.ownerReferences?.[0]?.uid, function_.uid);
    for (const child of await space.versions()) await space.deleteVersion(child.metadata.name);
    await world.until("no version hangs", async () => ((await space.versions()).length === 0 ? true : undefined));
    assert.equal((await world.client.list(eventSourceMappingKind, { namespace })).items.length, 1);
  });

  it("versions-aliases 15: an alias whose name is only digits is refused, and one that begins with a letter is not", async () => {
    await assert.rejects(space.createAlias("digits", { name: "2024" }), /name/);
    await space.createAlias("letter", { name: "v2024" });
  });

  it("versions-aliases 17, 18: two additional versions and a weight above 1 are refused, and the message says so", async () => {
    const weights = (additionalVersionWeights: Record<string, number>) => ({
      functionVersion: "1",
      routingConfig: { additionalVersionWeights },
    });
    await assert.rejects(space.createAlias("two", weights({ "2": 0.1, "3": 0.1 })), /must have at most 1 item/);
    await assert.rejects(space.createAlias("much", weights({ "2": 1.5 })), /less than or equal to 1/);
  });
});
