/** Everything is deleted in every order: nothing hangs, nothing stays half, and numbers go on. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import { layerKind } from "../../crds/v1alpha1/layer.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { controllerOf, type KindRef } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { backedUpKinds, deleteObject, listAll, renewNamespace } from "../kit/backup.ts";
import { LayerSpace } from "../kit/layer-space.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, messageOf, VersionSpace } from "../kit/version-space.ts";

interface Part {
  readonly kind: KindRef;
  readonly name: string;
}

const parts: readonly Part[] = [
  { kind: functionKind, name: "f" },
  { kind: versionKind, name: "first" },
  { kind: aliasKind, name: "live" },
  { kind: layerKind, name: "tools" },
];
const held = "Unable to delete version because the following aliases reference it: [live]";

describe("deletion", function () {
  this.timeout(180_000);
  let world: OperatorWorld;
  let operator: RunningOperator;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator();
  });
  after(() => world.stop());

  async function restartOperator(): Promise<void> {
    await world.stopOperator(operator);
    operator = await world.startOperator();
  }

  async function filled(): Promise<VersionSpace> {
    const space = await VersionSpace.open(world);
    const layers = await LayerSpace.open(world, space.namespace);
    await layers.create("tools");
    await space.function("one", { layers: ["tools"] });
    await space.published("first");
    await space.createAlias("live", { functionVersion: "1" });
    await space.untilAlias("live");
    return space;
  }

  /** What the garbage collector does, of which this API server has none. */
  async function collectGarbage(namespace: string): Promise<void> {
    const objects = await listAll(world.client, namespace, [...backedUpKinds, kinds.pod]);
    const uids = new Set(objects.map(({ metadata }) => metadata.uid));
    for (const object of objects) {
      const owner = controllerOf(object);
      if (owner !== undefined && !uids.has(owner.uid)) await deleteObject(world.client, object);
    }
  }

  async function untilOnlyLedger(namespace: string): Promise<void> {
    let left: readonly string[] = [];
    try {
      await world.until("nothing is left but the ledger", async () => {
        await collectGarbage(namespace);
        left = (await listAll(world.client, namespace)).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
        return left.length <= 1 ? true : undefined;
      });
    } finally {
      assert.deepEqual(left, ["ConfigMap kubelambda-ledger"]);
    }
  }

  describe("in every order", () => {
    const orders = permutations(parts);
    let spaces: readonly VersionSpace[];

    beforeEach(async () => {
      spaces = await Promise.all(orders.map(() => filled()));
    });

    for (const restarts of [false, true]) {
      const when = restarts ? " that starts again between any two" : "";
      it(`leaves nothing, names what holds a version, and counts on, under an operator${when}`, async () => {
        for (let step = 0; step < parts.length; step++) {
          await Promise.all(spaces.map((space, i) => deletePart(space, orders[i] ?? [], step)));
          if (restarts) await restartOperator();
        }
        await Promise.all(
          spaces.map(async (space) => {
            await untilOnlyLedger(space.namespace);
            await space.function("one");
            assert.equal(await space.published("first"), 2);
          }),
        );
      });
    }

    async function deletePart(space: VersionSpace, order: readonly Part[], step: number): Promise<void> {
      const part = order[step];
      assert.ok(part !== undefined);
      await world.client.delete({ ...part, namespace: space.namespace });
      const before = order.slice(0, step);
      const isHeld = part.kind === versionKind && before.every(({ kind }) => kind === layerKind);
      if (!isHeld) return;
      const version = await space.untilVersion("first", { type: "Ready", status: "True", reason: "HeldByAlias" });
      assert.equal(messageOf(version, "Ready"), held);
    }
  });

  it("lets an alias go whose version never comes, and one that keeps the former", async () => {
    const space = await filled();
    await space.createAlias("never", { functionVersion: "9" });
    await space.patchAlias("live", { functionVersion: "7" });
    await space.untilAlias("never", { type: "Ready", status: "False", reason: "VersionNotFound" });
    await space.untilAlias("live", { type: "Ready", status: "Unknown", reason: "VersionNotFound" });
    await restartOperator();
    await space.deleteVersion("first");
    const version = await space.untilVersion("first", { type: "Ready", status: "True", reason: "HeldByAlias" });
    assert.equal(messageOf(version, "Ready"), held, "calls still go there");
    await space.deleteAlias("never");
    await space.deleteAlias("live");
    await space.untilGone("first");
  });

  it("ends a layer and a function that wait for each other's missing parts, whichever goes first", async () => {
    for (const order of permutations([parts[0], parts[3]])) {
      const space = await VersionSpace.open(world);
      const layers = await LayerSpace.open(world, space.namespace);
      await layers.create("tools", { content: { configMapRef: { name: "absent" } } });
      await world.createFunction(space.namespace, "f", { ...code("one"), layers: ["tools:2"] });
      const want = { type: "LayersResolved", status: "False", reason: "LayerNotReady" };
      await world.untilCondition({ namespace: space.namespace, name: "f" }, want);
      await layers.untilCondition("tools", { type: "ContentResolved", status: "False", reason: "ConfigMapNotFound" });
      for (const part of order)
        if (part !== undefined) await world.client.delete({ ...part, namespace: space.namespace });
      await world.until("nothing is left", async () => {
        await collectGarbage(space.namespace);
        return (await listAll(world.client, space.namespace)).length === 0 ? true : undefined;
      });
    }
  });

  it("ends namespaces in which everything refers to everything, also while the operator starts again", async () => {
    const spaces = await Promise.all([1, 2, 3].map(() => filled()));
    await Promise.all([...spaces.map(({ namespace }) => renewNamespace(world, namespace)), restartOperator()]);
    for (const { namespace } of spaces) assert.deepEqual(await listAll(world.client, namespace), []);
  });
});

function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}
