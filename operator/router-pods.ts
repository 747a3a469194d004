import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import type { Logger } from "../lib/logger.ts";
import { ports } from "../crds/wire/routes.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import type { Pod } from "./pod.ts";
import type { RouterSeen } from "./roster/decide.ts";

export interface RouterPodsOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly router: { readonly namespace: string; readonly serviceAccount: string };
  readonly log: Logger;
}

/** A router as its pod shows it. */
export type RouterPod = Omit<RouterSeen, "silentForMs">;

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

  async stop(): Promise<void> {
    await this.#cache.stop();
  }

  /** Calls with every change until it is unsubscribed. */
  onChange(listener: () => void): () => void {
    return this.#cache.onChange(listener);
  }

  /** Routers that have an address. */
  all(): readonly RouterPod[] {
    return this.#cache.list().flatMap((pod) => toRouterPod(pod) ?? []);
  }

  /** False while we cannot know. */
  isGone(podUid: string): boolean {
    if (this.#cache.isStale(this.#clock.nowMs())) return false;
    const [pod] = this.#cache.byIndex("uid", podUid);
    return pod === undefined || pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded";
  }
}

function toRouterPod({ metadata, spec, status }: Stored<Pod>): RouterPod | undefined {
  const podIP = status?.podIP;
  if (podIP === undefined) return undefined;
  const named = spec.containers.flatMap((container) => container.ports ?? []).find(({ name }) => name === "internal");
  const port = named?.containerPort ?? ports.routerInternal;
  const isUp = status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True");
  return {
    podUid: metadata.uid,
    address: podIP.includes(":") ? `[${podIP}]:${port}` : `${podIP}:${port}`,
    isReady: isUp === true && metadata.deletionTimestamp === undefined,
  };
}
