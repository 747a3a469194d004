import assert from "node:assert/strict";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { createLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { environmentSettings, functionObject, recipeFor } from "../../test/kit/function-seen.ts";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { Pod } from "../pod.ts";
import { EnvironmentHands } from "./environment-hands.ts";
import { FunctionScaling } from "./function-scaling.ts";
import { GenericIDs } from "./generic-ids.ts";

const overdueMs = 10_000;

describe("EnvironmentHands", () => {
  it("has creations overdue by the time since they were sent: one that waits for its turn is none", async () => {
    const clock = new ManualClock();
    const sent: { readonly name: string; readonly answer: () => void }[] = [];
    const create = (pod: Pod) =>
      new Promise<Stored<Pod>>((resolve) => {
        const name = pod.metadata.name;
        const stored = { name, uid: `uid-${name}`, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
        sent.push({ name, answer: () => resolve({ ...pod, metadata: { ...pod.metadata, ...stored } }) });
      });
    const client = { create } as unknown as KubernetesClient;
    const draw = seededRandom(1);
    const hands = new EnvironmentHands({
      ...{ client, clock, settings: environmentSettings, genericIDs: new GenericIDs(environmentSettings) },
      pods: { get: () => undefined } as Partial<ObjectCache<Pod>> as ObjectCache<Pod>,
      draw,
      mayAct: () => true,
      epoch: () => 1,
      makeRoom: () => false,
      onFailure: (uid) => assert.fail(`creation for ${uid} failed`),
      log: createLogger({ level: "error" }),
    });
    const object = functionObject();
    const recipe = recipeFor(object);
    const scaling = new FunctionScaling();
    const overdue = (): readonly string[] => scaling.takeOverdue(clock.monotonicMs() - overdueMs, clock.monotonicMs());

    for (let count = 0; count < 40; count += 1) hands.create({ object, recipe, scaling });
    await settled();
    const first = sent.map(({ name }) => name);
    assert.ok(first.length > 0 && first.length < 40, `${first.length} are sent at once`);
    clock.advance(3 * overdueMs);
    assert.deepEqual(overdue().toSorted(), first.toSorted());

    sent[0]?.answer();
    await settled();
    const next = sent.at(-1)?.name;
    assert.ok(next !== undefined && !first.includes(next), "the next one has its turn");
    assert.deepEqual(overdue(), []);
    clock.advance(overdueMs + 1);
    assert.ok(overdue().includes(next));
    assert.equal(scaling.creating(recipe.document.revisionID), 40, "each counts until the cache shows it");
  });
});

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
