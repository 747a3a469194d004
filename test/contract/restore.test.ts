/** A namespace that is brought back from a backup without statuses: what was published is what it was, and numbers go on. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { seededRandom, shuffled } from "../../bench/seeded-random.ts";
import { routes } from "../../crds/wire/routes.ts";
import { renewNamespace, restore, takeBackup } from "../kit/backup.ts";
import { endStateOf } from "../kit/end-state.ts";
import { files, LayerSpace } from "../kit/layer-space.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, VersionSpace } from "../kit/version-space.ts";

describe("a namespace that is restored from a backup", function () {
  this.timeout(180_000);
  let world: OperatorWorld;

  before(async () => {
    world = await OperatorWorld.start();
    await world.startOperator();
  });
  after(() => world.stop());

  /** Function "f" with versions 1, 2 and 5, "auto" that publishes by itself, and a layer that only they have any more. */
  async function filled(): Promise<VersionSpace> {
    const space = await VersionSpace.open(world);
    const { namespace } = space;
    const layers = await LayerSpace.open(world, namespace);
    await layers.ready("tools", files("1"));
    await layers.patch("tools", { content: { files: { "a.txt": "2" } } });
    await layers.untilVersion("tools", 2);
    await layers.ready("lost");
    await space.function("one", { layers: ["tools:1", "lost"], environment: { variables: { COLOR: "red" } } });
    await space.published("first", { description: "the first" });
    await space.change({ ...code("two"), environment: { variables: { COLOR: "blue" } } });
    await space.published("second");
    await space.published("claimed", { version: 5 });
    await space.createAlias("live", {
      functionVersion: "1",
      routingConfig: { additionalVersionWeights: { "2": 0.5 } },
    });
    await space.createAlias("newest");
    for (const name of ["live", "newest"]) await space.untilAlias(name);
    await world.createFunction(namespace, "auto", { autoPublishAlias: "stage", layers: ["tools"] });
    await autoVersions(space, 1);
    await world.patchSpec(namespace, "auto", code("two"));
    await autoVersions(space, 2);
    await layers.delete("lost");
    await layers.deleteVersion("lost-layer-1");
    const kept = { type: "LayersResolved", status: "True", reason: "LayersKept" };
    await world.untilCondition({ namespace, name: "f" }, kept);
    return space;
  }

  async function autoVersions(space: VersionSpace, newest: number): Promise<void> {
    await world.until(`stage is version ${newest}`, async () => {
      const stage = (await space.aliases()).find(({ spec }) => spec.name === "stage");
      return stage?.status?.functionVersion === String(newest) ? true : undefined;
    });
  }

  async function untilSame({ namespace }: VersionSpace, wanted: readonly string[]): Promise<void> {
    let last: readonly string[] = [];
    try {
      await world.until("all is as it was", async () => {
        last = await endStateOf(world.client, [namespace]);
        return last.join() === wanted.join() ? true : undefined;
      });
    } catch {
      assert.deepEqual(last, wanted);
    }
  }

  it("has the same versions, aliases and layers in whatever order it comes back, and counts on, also without its ledger", async () => {
    const plans = fc.record({ seed: fc.nat(), hasLedger: fc.boolean(), isLate: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(plans, async ({ seed, hasLedger, isLate }) => {
        const space = await filled();
        const wanted = await endStateOf(world.client, [space.namespace]);
        const backup = await takeBackup(world.client, space.namespace);
        await renewNamespace(world, space.namespace);
        const chosen = backup.filter(({ kind }) => hasLedger || kind !== "ConfigMap");
        for (const object of shuffled(chosen, seededRandom(seed))) {
          await restore(world.client, [object]);
          // Time enough for the operator to do something rash.
          if (isLate) await new Promise((resolve) => setTimeout(resolve, 100));
        }
        await untilSame(space, wanted);
        await assertStored(space);
        await space.change(code("three"));
        assert.equal(await space.published("next"), 6);
        await world.patchSpec(space.namespace, "auto", code("three"));
        await autoVersions(space, 3);
        const layers = await LayerSpace.open(world, space.namespace);
        await layers.patch("tools", { content: { files: { "a.txt": "3" } } });
        await layers.untilVersion("tools", 3);
      }),
      { numRuns: 4 },
    );
  });

  async function assertStored(space: VersionSpace): Promise<void> {
    for (const { data } of await space.snapshots()) {
      for (const { digest } of [data.recipe.code, ...(data.recipe.layers ?? [])]) {
        const { status } = await world.store.request(routes.object(digest), { token: `${space.namespace}/default` });
        assert.equal(status, 200, `${data.functionName}:${data.version} needs ${digest}`);
      }
    }
  }
});
