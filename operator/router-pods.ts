import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import type { Logger } from "../lib/logger.ts";
import type { Pod } from "./pod.ts";

export interface RouterPodsOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly router: { readonly namespace: string; readonly serviceAccount: string };
  readonly log: Logger;
}

/** The pods of routers: what a router said counts until its pod is gone. */
export class RouterPods {
  readonly #cache: ObjectCache<Pod>;
  readonly #clock: Clock;

  constructor({ client, clock, router, log }: RouterPodsOptions) {
    this.#clock = clock;
    this.#cache = new ObjectCache<Pod>({
      client,
      clock,
      kind: kinds.pod,
      namespace: router.namespace,
      fieldSelector: `spec.serviceAccountName=${router.serviceAccount}`,
      indexes: { uid: ({ metadata }) => [metadata.uid] },
      onError: (error) => log.debug("Watch of routers failed and goes on", { error }),
    });
  }

  async start(): Promise<void> {
    this.#cache.start();
    await this.#cache.synced();
  }

  /** False while we cannot know. */
  isGone(podUid: string): boolean {
    if (this.#cache.isStale(this.#clock.nowMs())) return false;
    const [pod] = this.#cache.byIndex("uid", podUid);
    return pod === undefined || pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded";
  }
}
