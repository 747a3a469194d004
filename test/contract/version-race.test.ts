/** Versions whose function has changed right before, where the operator hears of the Version first. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "mocha";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import { HeldWatch } from "../kit/held-watch.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, messageOf, VersionSpace } from "../kit/version-space.ts";

describe("a Version right behind its function's change", function () {
  this.timeout(60_000);
  let world: OperatorWorld;
  let watch: HeldWatch;

  before(async () => {
    world = await OperatorWorld.start();
    watch = new HeldWatch(world.client, functionKind);
    await world.startOperator({}, { client: watch.client });
  });
  afterEach(() => watch.goOn());
  after(() => world.stop());

  const cases: Record<string, { readonly version?: number }> = {
    "without a number": {},
    "with a number": { version: 7 },
  };
  for (const [title, spec] of Object.entries(cases)) {
    it(`is of the changed function, ${title}`, async () => {
      const space = await VersionSpace.open(world);
      await space.function("one");
      await space.published("former");
      watch.hold();
      await world.patchSpec(space.namespace, "f", code("two"));
      await space.createVersion("v", spec);
      const early = await space.untilVersion("v", { type: "Ready", status: "False", reason: "FunctionNotReady" });
      assert.match(messageOf(early, "Ready"), /its present spec does not run yet/);
      watch.goOn();
      const version = await space.untilVersion("v");
      assert.equal(version.status?.codeSHA256, (await space.functionReady()).status?.codeSHA256);
      assert.equal(version.status?.version, spec.version ?? 2);
    });
  }

  it("waits for a function that is made again under its name", async () => {
    const space = await VersionSpace.open(world);
    await space.function("one");
    await space.published("former");
    watch.hold();
    await world.client.delete({ kind: functionKind, namespace: space.namespace, name: "f" });
    await world.createFunction(space.namespace, "f", code("two"));
    await space.createVersion("v");
    await space.untilVersion("v", { type: "Ready", status: "False", reason: "FunctionNotReady" });
    watch.goOn();
    const version = await space.untilVersion("v");
    assert.equal(version.status?.codeSHA256, (await space.functionReady()).status?.codeSHA256);
  });
});
