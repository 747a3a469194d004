/** An operator that loses its Lease and gets it back, as it does when the API server is slow for a while. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { Lease } from "../../lib/kubernetes/leader-election.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
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
