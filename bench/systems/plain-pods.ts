import type { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { systemClock } from "../../lib/clock.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { Pod } from "../../operator/pod.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";
import { eachAtOnce } from "../at-once.ts";
import { likePod } from "./bare-pod.ts";

export interface PlainPodsOrder {
  readonly client: ApiServerClient;
  readonly namespace: string;
  /** An execution environment: its containers and volumes are taken from it. */
  readonly model: Pod;
  readonly count: number;
  /** Creations under way together. */
  readonly atOnce: number;
}

const label = "bench";
const home = { host: "127.0.0.1", port: 9 };
const mostWaitMs = 300_000;

/** Pods like an environment, made by one client as fast as they are taken; returns how long it took until all of them run, ms. */
export async function runPlainPods({ client, namespace, model, count, atOnce }: PlainPodsOrder): Promise<number> {
  const running = new Set<string>();
  const pods = new ObjectCache<Pod>({
    ...{ client, namespace, clock: systemClock, kind: kinds.pod, labelSelector: `${label}=plain` },
  });
  pods.onChange(({ object }) => {
    if (object.status?.phase === "Running") running.add(object.metadata.name);
  });
  pods.start();
  try {
    await pods.synced();
    const names = Array.from({ length: count }, (_, i) => `plain-${i}`);
    const startedMs = performance.now();
    await eachAtOnce(names, atOnce, async (name) => {
      const { metadata, ...pod } = likePod({ name, namespace, model, home });
      await client.create({ ...pod, metadata: { ...metadata, labels: { [label]: "plain" } } });
    });
    const what = `all ${count} plain pods to run`;
    await waitUntil({ what, timeoutMs: mostWaitMs, everyMs: 50 }, () =>
      Promise.resolve(running.size === count ? true : undefined),
    );
    return performance.now() - startedMs;
  } finally {
    await pods.stop();
  }
}
