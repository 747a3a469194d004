/** Many functions of one namespace that publish at once, while writes to the one ledger fail in every way. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { RunningOperator } from "../../operator/operator.ts";
import { LEDGER_NAME } from "../../operator/ledger.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { changedClient } from "../kit/changed-client.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { VersionSpace } from "../kit/version-space.ts";

const functions = 12;
const waves = 2;

describe("publishing under contention", function () {
  this.timeout(120_000);
  let world: OperatorWorld;
  let operator: RunningOperator;

  before(async () => {
    world = await OperatorWorld.start();
    const draw = seededRandom(7);
    // Lost before it is written, lost races, and answers that are lost: a third each, of half of all.
    const client = changedClient(world.client, "patch", async (call, argument) => {
      if ((argument as unknown as { readonly name: string }).name !== LEDGER_NAME) return await call();
      const fate = Math.floor(draw() * 6);
      const error = (code: "Conflict" | "Unavailable") =>
        new KubernetesError({ code, action: "patch", serverMessage: "" });
      if (fate === 0) throw error("Unavailable");
      if (fate === 1) throw error("Conflict");
      const answer = await call();
      if (fate === 2) throw error("Unavailable");
      return answer;
    });
    operator = await world.startOperator({}, { client });
  });
  after(async () => {
    await world.stopOperator(operator);
    await world.stop();
  });

  it("gives each function every version, and no number twice", async () => {
    const space = await VersionSpace.open(world);
    const { namespace } = space;
    const names = Array.from({ length: functions }, (_, i) => `f-${i}`);
    for (let wave = 1; wave <= waves; wave++) {
      const description = `wave ${wave}`;
      await Promise.all(
        names.map((name) =>
          wave === 1
            ? world.createFunction(namespace, name, { publish: true, description })
            : world.patchSpec(namespace, name, { description }),
        ),
      );
      await world.until(
        `wave ${wave} of all is published`,
        async () => {
          const published = (await space.versions()).filter(({ status }) => status?.description === description);
          return published.length === functions ? true : undefined;
        },
        60_000,
      );
    }
    for (const name of names) {
      const versions = (await space.versions()).filter(({ spec }) => spec.functionRef?.from?.name === name);
      const numbers = versions.map(({ status }) => status?.version);
      assert.equal(new Set(numbers).size, waves, `${name}: ${numbers.join(", ")}`);
    }
  });
});
