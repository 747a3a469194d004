/** A function whose calls need more environments than the chart allows it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";

describe("a function at its most environments", function () {
  this.timeout(60_000);
  let world: OperatorWorld;
  let operator: RunningOperator;
  let namespace: string;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator({ KUBELAMBDA_MAX_ENVIRONMENTS: "2" });
    namespace = await world.makeNamespace();
  });
  after(() => world.stop());

  it("says so while calls wait for one of them, and is well again when they do not", async () => {
    const name = "crowded";
    await world.createFunction(namespace, name);
    const object = await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
    await world.report(operator, [loadOf(object, { needed: 2 })]);
    const pods = await world.untilPods(object, ({ length }) => length === 2);
    for (const pod of pods) await world.runPod(pod);
    await world.report(operator, [loadOf(object, { needed: 3 })]);
    const crowded = await world.untilCondition(
      { namespace, name },
      { type: "EnvironmentsHealthy", status: "False", reason: "EnvironmentLimitReached" },
    );
    const told = crowded.status?.conditions?.find(({ type }) => type === "EnvironmentsHealthy");
    assert.match(told?.message ?? "", /more than 2 environments.*environments\.maxPerFunction/);
    const ready = crowded.status?.conditions?.find(({ type }) => type === "Ready");
    assert.equal(ready?.status, "True");
    await world.until("an event says so", async () => {
      const { items } = await world.client.list<KubernetesObject>(kinds.event, { namespace });
      return items.find((event) => (event as { reason?: string }).reason === "EnvironmentLimitReached");
    });
    assert.equal((await world.pods(object)).length, 2);
    await world.report(operator, [loadOf(object, { needed: 1 })]);
    await world.untilCondition({ namespace, name }, { type: "EnvironmentsHealthy", status: "True" });
  });

  it("is told nothing of the chart's limit where it has a reservation", async () => {
    const name = "reserved";
    await world.createFunction(namespace, name, { reservedConcurrentExecutions: 3 });
    const object = await world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
    await world.report(operator, [loadOf(object, { needed: 4 })]);
    const pods = await world.untilPods(object, ({ length }) => length === 3);
    for (const pod of pods) await world.runPod(pod);
    await world.report(operator, [loadOf(object, { needed: 4 })]);
    await world.until("its environments are counted", async () => {
      const { status } = await world.getFunction(namespace, name);
      return status?.readyEnvironments === 3 ? true : undefined;
    });
    const { status } = await world.getFunction(namespace, name);
    assert.equal(status?.conditions?.find(({ type }) => type === "EnvironmentsHealthy")?.status, "True");
  });
});
