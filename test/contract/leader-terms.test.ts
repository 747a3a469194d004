/** An operator and its Lease: it keeps it while creations hang; it loses it and gets it back, as it does when the API server is slow for a while. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { kindDefinitions } from "../../crds/kinds.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Lease } from "../../lib/kubernetes/leader-election.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { HeldCreations } from "../kit/kubernetes/held-creations.ts";
import { loadOf, OperatorWorld } from "../kit/operator-world.ts";
import { code, VersionSpace } from "../kit/version-space.ts";

const ref = { kind: kinds.lease, namespace: "kubelambda", name: "kubelambda-operator" };

describe("an operator in its second term", function () {
  this.timeout(90_000);
  let world: OperatorWorld;
  let operator: RunningOperator;

  before(async () => {
    world = await OperatorWorld.start();
    operator = await world.startOperator({ KUBELAMBDA_LEADER_ELECTION: "true" });
    await untilLeading(true);
  });
  after(() => world.stop());

  async function untilLeading(isLeading: boolean): Promise<void> {
    await world.until(`the operator leads: ${isLeading}`, () =>
      Promise.resolve(operator.isLeading() === isLeading ? true : undefined),
    );
  }

  async function giveLease(holderIdentity: string): Promise<void> {
    const { spec } = await world.client.get<Lease>(ref);
    await world.client.patch(ref, { spec: { ...spec, holderIdentity } });
  }

  it("does all that it did in its first, time and again", async () => {
    const space = await VersionSpace.open(world);
    await space.function();
    for (const [term, number] of [
      ["second", 1],
      ["third", 2],
    ] as const) {
      await giveLease("another");
      await untilLeading(false);
      await giveLease("");
      await untilLeading(true);
      assert.equal(await space.published(term), number);
      await space.change(code(term));
    }
  });
});

describe("an operator whose creations of pods hang", function () {
  this.timeout(90_000);
  let world: OperatorWorld;
  let front: HeldCreations;
  let client: ApiServerClient;

  before(async () => {
    world = await OperatorWorld.start();
    front = await HeldCreations.start(await kubeconfigAccess(world.controlPlane.kubeconfig));
    client = new ApiServerClient({
      access: front.access,
      kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
    });
  });
  after(async () => {
    front.letGo();
    await world.stop();
    await client.close();
    await front.stop();
  });

  it("renews its Lease in time, however many there are", async () => {
    const operator = await world.startOperator({ KUBELAMBDA_LEADER_ELECTION: "true" }, { client });
    const namespace = await world.makeNamespace();
    await world.createFunction(namespace, "burst");
    const object = await world.untilCondition({ namespace, name: "burst" }, { type: "Ready", status: "True" });
    await world.report(operator, [loadOf(object, { needed: 40 })]);
    const mostAtOnce = 16;
    await world.until("all connections wait", () => Promise.resolve(front.held >= mostAtOnce ? true : undefined));
    const renewals = new Set<string>();
    await world.until("the Lease is renewed again and again", async () => {
      const { spec } = await world.client.get<Lease>(ref);
      renewals.add(spec?.renewTime ?? "");
      return renewals.size > 4 ? true : undefined;
    });
    assert.equal(front.held, mostAtOnce);
    assert.equal(operator.isLeading(), true);
    front.letGo();
    await world.untilPods(object, ({ length }) => length === 40);
  });
});
