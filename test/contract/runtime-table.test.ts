/** The chart's table of runtimes: the operator and the package store with a real API server and a real registry. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "mocha";
import { labels } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RuntimeTable } from "../../operator/controllers/function/runtime-table.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { RegistryPusher } from "../images/push.ts";
import { startRegistry, type TestRegistry } from "../images/registry.ts";
import { loadOf, OperatorWorld, runtimeImageOf } from "../kit/operator-world.ts";
import { VersionSpace } from "../kit/version-space.ts";

const repository = "runtimes/nodejs";
/** So that an answer of the registry is old at once. */
const env = { KUBELAMBDA_IMAGE_RECHECK_SECONDS: "1" };

describe("operator and the table of runtimes", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let registry: TestRegistry;
  let operator: RunningOperator | undefined;
  let namespace: string;
  let space: VersionSpace;

  before(async () => {
    registry = await startRegistry();
    world = await OperatorWorld.start({ KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: registry.host });
  });
  after(async () => {
    await world.stop();
    await registry.stop();
  });
  beforeEach(async () => {
    namespace = await world.makeNamespace();
    space = await VersionSpace.open(world, namespace);
  });

  async function push(tag: string, content: string): Promise<string> {
    const files = { "var/runtime/bootstrap": { content, mode: 0o755 } };
    const digest = await new RegistryPusher(registry.url).pushImage({ repository, tag, files });
    return `${registry.host}/${repository}@${digest}`;
  }

  /** What an upgrade of the chart does. */
  async function serve(runtimes: RuntimeTable): Promise<RunningOperator> {
    if (operator !== undefined) await world.stopOperator(operator);
    operator = await world.startOperator(env, { runtimes });
    return operator;
  }

  const tagged = (tag: string): RuntimeTable => ({
    "nodejs24.x": { image: `${registry.host}/${repository}:${tag}`, state: "supported" },
  });

  async function untilStatus(test: (object: Stored<FunctionObject>) => boolean): Promise<Stored<FunctionObject>> {
    return await world.until("the status is as wanted", async () => {
      const object = await world.getFunction(namespace, "f");
      return test(object) ? object : undefined;
    });
  }

  it("pins what a tag names: it moves with the function's next change, and never under a version", async () => {
    const first = await push("24", "1");
    await serve(tagged("24"));
    const { status } = await space.function("one");
    assert.equal(status?.runtimeImage, first);
    await space.createVersion("first");
    assert.equal((await space.untilVersion("first")).status?.runtimeImage, first);
    const second = await push("24", "2");
    const again = await serve(tagged("24"));
    await world.report(again, [loadOf(await world.getFunction(namespace, "f"), { needed: 1 })]);
    const [pod] = await world.untilPods(await world.getFunction(namespace, "f"), ({ length }) => length === 1);
    assert.equal(pod?.spec.containers.find(({ name }) => name === "runtime")?.image, first, "over a restart too");
    const changed = await space.change({ timeout: 9 });
    assert.equal(changed.status?.runtimeImage, second);
    assert.equal((await space.version("first")).status?.runtimeImage, first);
  });

  it("runs a tag that nobody can resolve, says so, and publishes once it can", async () => {
    await serve(tagged("later"));
    const object = await space.function("one");
    assert.equal(object.status?.runtimeImage, `${registry.host}/${repository}:later`);
    const condition = object.status.conditions?.find(({ type }) => type === "RuntimeResolved");
    assert.deepEqual([condition?.status, condition?.reason], ["False", "RuntimeNotPinned"]);
    await space.createVersion("first");
    const waiting = await space.untilVersion("first", {
      type: "Reconciling",
      status: "True",
      reason: "RuntimeNotPinned",
    });
    assert.match(waiting.status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "", /a tag whose digest/);
    const reference = await push("later", "3");
    assert.equal((await space.untilVersion("first")).status?.runtimeImage, reference);
    const pinned = await untilStatus(({ status }) => status?.runtimeImage === reference);
    assert.equal(pinned.status?.conditions?.find(({ type }) => type === "RuntimeResolved")?.status, "True");
  });

  it("replaces the environments of $LATEST when the chart names another image, each once its successor runs; a version's stay", async () => {
    const [before, after] = [runtimeImageOf("24"), runtimeImageOf("25")];
    await serve({ "nodejs24.x": { image: before, state: "supported" } });
    const object = await space.function("one");
    await space.createVersion("first");
    const version = await space.untilVersion("first");
    const calls = (functionNow: Stored<FunctionObject>) => [
      loadOf(functionNow, { needed: 1 }),
      loadOf(functionNow, { revisionID: version.status?.revisionID ?? "", needed: 1 }),
    ];
    await world.report(operator as RunningOperator, calls(object));
    for (const pod of await world.untilPods(object, ({ length }) => length === 2)) await world.runPod(pod);
    const moved = await serve({ "nodejs24.x": { image: after, state: "supported" } });
    const now = await untilStatus(({ status }) => status?.runtimeImage === after);
    assert.equal(now.status?.configurationID, object.status?.configurationID);
    // A leader asks nothing back before every router may have reported.
    const until = Date.now() + 6000;
    while (Date.now() < until) {
      const { body } = await world.report(moved, calls(now));
      const own = new Set((await world.pods(now)).map(({ metadata }) => metadata.uid));
      assert.deepEqual(
        body.release.filter((uid) => own.has(uid)),
        [],
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const pods = await world.untilPods(now, ({ length }) => length === 3);
    const successor = pods.find(({ metadata }) => metadata.labels?.[labels.revision] === now.status?.revisionID);
    const former = pods.find(({ metadata }) => metadata.labels?.[labels.revision] === object.status?.revisionID);
    assert.ok(successor !== undefined && former !== undefined);
    assert.equal(successor.spec.containers.find(({ name }) => name === "runtime")?.image, after);
    await world.runPod(successor);
    await world.until("the former one is asked back", async () => {
      const { body } = await world.report(moved, calls(now));
      return body.release.includes(former.metadata.uid) ? body : undefined;
    });
    const own = pods.find(({ metadata }) => metadata.labels?.[labels.revision] === version.status?.revisionID);
    assert.equal(own?.spec.containers.find(({ name }) => name === "runtime")?.image, before);
    assert.equal(own.metadata.labels?.[labels.configuration], undefined);
  });

  it("lets functions go on whose runtime is dropped or blocked, and refuses new and changed ones as Lambda does", async () => {
    await serve({ "nodejs24.x": { image: runtimeImageOf("24"), state: "supported" } });
    const object = await space.function("one");
    await space.createVersion("first");
    await space.untilVersion("first");
    await serve({ "nodejs26.x": { image: runtimeImageOf("26"), state: "supported" } });
    const goesOn = await world.untilCondition(
      { namespace, name: "f" },
      { type: "Ready", status: "True", reason: "RuntimeRemoved" },
    );
    assert.equal(goesOn.status?.revisionID, object.status?.revisionID);
    assert.equal((await space.version("first")).status?.runtimeImage, runtimeImageOf("24"));
    await world.patchSpec(namespace, "f", { timeout: 9 });
    await world.untilCondition({ namespace, name: "f" }, { type: "Ready", status: "False", reason: "UpdateFailed" });
    await serve({
      "nodejs24.x": { state: "updateBlocked" },
      "nodejs26.x": { image: runtimeImageOf("26"), state: "supported" },
    });
    await world.createFunction(namespace, "new");
    const refused = await world.untilCondition(
      { namespace, name: "new" },
      { type: "Stalled", status: "True", reason: "BlockedRuntime" },
    );
    assert.match(
      refused.status?.stateReason ?? "",
      /^The runtime parameter of nodejs24.x is no longer supported for creating or updating AWS Lambda functions\. We recommend you use the new runtime \(nodejs26\.x\)/,
    );
    const moved = await space.change({ runtime: "nodejs26.x" });
    assert.equal(moved.status?.runtimeImage, runtimeImageOf("26"));
  });
});
