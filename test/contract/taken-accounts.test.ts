/** What an owner reads of an account's pods when it takes the account over, and what of it counts. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { annotations, labels } from "../../crds/names.ts";
import { systemClock } from "../../lib/clock.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { ObjectStore } from "../../local/object-store.ts";
import { EnvironmentRegistry } from "../../runtime-proxy/domain/environment.ts";
import {
  environmentSelector,
  KubernetesEnvironments,
  type EnvironmentPodObject,
} from "../../runtime-proxy/environments/kubernetes-environments.ts";

const epoch = 5;

async function makePod(store: ObjectStore, name: string, namespace: string): Promise<string> {
  const made = await store.create({
    ...{ apiVersion: "v1", kind: "Pod" },
    metadata: {
      ...{ name, namespace },
      labels: { [labels.component]: "environment", [labels.functionUid]: "f", [labels.revision]: "r1" },
      annotations: { [annotations.epoch]: String(epoch) },
    },
    spec: {},
  });
  return made.metadata.uid;
}

describe("an account's pods, as the API server has them", () => {
  it("count until they are heard, also those made under this very roster: its owner may have given them out before it began anew", async () => {
    const store = new ObjectStore({ kinds: [], nowMs: () => Date.now() });
    const podUid = await makePod(store, "one", "a");
    const watched = { client: store, clock: systemClock, kind: kinds.pod, labelSelector: environmentSelector };
    const environments = new KubernetesEnvironments(new ObjectCache<EnvironmentPodObject>(watched), store);
    const counted: string[] = [];
    const registry = new EnvironmentRegistry({ onMayRun: (pod) => counted.push(pod.podUid) });
    registry.adopt("a", { epoch, firstTurn: 1000 }, await environments.listNow("a"), 0);
    assert.deepEqual(counted, [podUid]);
  });
});
