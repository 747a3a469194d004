import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { MemoryClient } from "../../test/kit/kubernetes/memory-client.ts";
import { configMap, pod, widget, widgetKind } from "../../test/kit/kubernetes/objects.ts";
import { Applier } from "./apply.ts";
import { carryOut } from "./carry-out.ts";
import { kinds } from "./kinds.ts";
import { type KubernetesObject, ownedBy, type Stored } from "./object.ts";
import { type CarryOutFailure, emptyPlan, type Plan } from "./plan.ts";

const finalizer = "test.example.com/hold";

describe("carryOut", () => {
  let client: MemoryClient;
  let owner: Stored;

  beforeEach(async () => {
    client = new MemoryClient();
    owner = await client.create(widget("a", "w", { size: 1 }));
    client.requests.length = 0;
  });

  function run(plan: Partial<Plan<unknown>>, seen: Stored = owner): Promise<CarryOutFailure | undefined> {
    const applier = new Applier({ client, fieldManager: "ours" });
    const hands = { client, applier, kindOf: client.kindOf, signal: new AbortController().signal };
    return carryOut(hands, widgetKind, seen, { ...emptyPlan, ...plan });
  }
  function child<T extends KubernetesObject>(object: T): T {
    return { ...object, metadata: { ...object.metadata, ownerReferences: [ownedBy(owner)] } };
  }
  const podRef = (name: string): { kind: typeof kinds.pod; namespace: string; name: string } => ({
    kind: kinds.pod,
    namespace: "a",
    name,
  });

  it("sets annotations with the finalizers in one request, and writes nothing that is there", async () => {
    const plan = { finalizers: { add: [finalizer] }, annotate: { y: "2" } };
    assert.equal(await run(plan), undefined);
    const patched = client.find({ kind: widgetKind, namespace: "a", name: "w" }) ?? owner;
    assert.deepEqual([patched.metadata.annotations, patched.metadata.finalizers], [{ y: "2" }, [finalizer]]);
    assert.equal(await run(plan, patched), undefined);
    assert.deepEqual(client.requests, ["patch Widget a/w"]);
  });

  it("does everything in order: finalizers first, the status after the children", async () => {
    const old = await client.create(child(pod("a", "old")));
    client.requests.length = 0;
    const failure = await run({
      finalizers: { add: [finalizer] },
      apply: [configMap("a", "1", {}), configMap("a", "2", {})],
      create: [child(pod("a", "new"))],
      remove: [{ ...podRef("old"), uid: old.metadata.uid }],
      status: { ready: true },
    });
    assert.equal(failure, undefined);
    assert.deepEqual(client.requests, [
      "patch Widget a/w",
      "apply ConfigMap a/1",
      "apply ConfigMap a/2",
      "create Pod a/new",
      "delete Pod a/old",
      "patch status of Widget a/w",
    ]);
    const { metadata, status } = client.find({ kind: widgetKind, namespace: "a", name: "w" })!;
    assert.deepEqual([metadata.finalizers, status], [[finalizer], { ready: true }]);
  });

  it("asks nothing for a plan that wants what is there", async () => {
    const seen = await client.patch(
      { kind: widgetKind, namespace: "a", name: "w" },
      { status: { ready: true }, metadata: { finalizers: [finalizer] } },
    );
    client.requests.length = 0;
    assert.equal(
      await run({ status: { ready: true }, finalizers: { add: [finalizer], remove: ["x"] } }, seen),
      undefined,
    );
    assert.deepEqual(client.requests, []);
  });

  it("is content with a child that exists and is ours, so it may be done twice", async () => {
    assert.equal(await run({ create: [child(pod("a", "p"))] }), undefined);
    assert.equal(await run({ create: [child(pod("a", "p"))] }), undefined);
  });

  it("does not touch a child of another owner", async () => {
    await client.create(pod("a", "p"));
    const failure = await run({ create: [child(pod("a", "p"))] });
    assert.deepEqual([failure?.step, failure?.ref.name, failure?.error.code], ["create", "p", "Conflict"]);
    assert.equal(failure?.error.serverMessage, "it exists and belongs to another owner");
  });

  it("waits for a child of that name that is on its way out", async () => {
    const ending = child(pod("a", "p"));
    await client.create({ ...ending, metadata: { ...ending.metadata, finalizers: [finalizer] } });
    await client.delete(podRef("p"));
    const failure = await run({ create: [ending] });
    assert.deepEqual(
      [failure?.error.code, failure?.error.serverMessage],
      ["Conflict", "the former one is still being deleted"],
    );
  });

  it("removes what was seen and no later object of that name, and is content when it is gone", async () => {
    const later = await client.create(child(pod("a", "p")));
    const remove = [
      { ...podRef("p"), uid: "a former one" },
      { ...podRef("none"), uid: "any" },
    ];
    assert.equal(await run({ remove }), undefined);
    assert.equal(client.find(podRef("p"))?.metadata.uid, later.metadata.uid);
  });

  it("tells what failed, begins nothing more of the children, and writes the status all the same", async () => {
    client.failNext(/create Pod a\/p3/, "Forbidden");
    const failure = await run({
      create: Array.from({ length: 40 }, (_, i) => child(pod("a", `p${i}`))),
      remove: [{ ...podRef("p0"), uid: "x" }],
      status: { ready: false },
      finalizers: { remove: [finalizer] },
    });
    assert.deepEqual([failure?.step, failure?.ref.name, failure?.error.code], ["create", "p3", "Forbidden"]);
    assert(client.requests.filter((line) => line.startsWith("create")).length <= 16);
    assert(!client.requests.some((line) => line.startsWith("delete")));
    assert.deepEqual(client.find({ kind: widgetKind, namespace: "a", name: "w" })?.status, { ready: false });
  });

  it("lets the object go only after all else has been done", async () => {
    const ref = { kind: widgetKind, namespace: "a", name: "w" };
    await client.patch(ref, { metadata: { finalizers: [finalizer, "other"] } });
    await client.delete(ref);
    const ending = client.find(ref)!;
    client.failNext(/delete Pod/, "Unavailable");
    const plan = { remove: [{ ...podRef("p"), uid: "x" }], finalizers: { remove: [finalizer] }, status: { size: 0 } };
    assert.equal((await run(plan, ending))?.step, "remove");
    assert.deepEqual(client.find(ref)?.metadata.finalizers, [finalizer, "other"]);
    assert.equal(await run(plan, client.find(ref)), undefined);
    assert.deepEqual(client.find(ref)?.metadata.finalizers, ["other"]);
    assert.deepEqual(client.find(ref)?.status, { size: 0 });
  });

  it("says Conflict when the object has changed since it was seen", async () => {
    await client.patch({ kind: widgetKind, namespace: "a", name: "w" }, { spec: { size: 2 } });
    const failure = await run({ status: { ready: true } });
    assert.deepEqual([failure?.step, failure?.error.code], ["status", "Conflict"]);
  });

  it("is content when the object itself has gone", async () => {
    await client.delete({ kind: widgetKind, namespace: "a", name: "w" });
    assert.equal(await run({ status: { ready: true }, finalizers: { remove: [finalizer] } }), undefined);
  });
});
