import type { Clock } from "../lib/clock.ts";
import type { TokenVerifier } from "../lib/http/service-account-token.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import type { Logger } from "../lib/logger.ts";
import type { RuntimeTable } from "./controllers/function/runtime-table.ts";
import type { PoolAgents } from "./scaling/pool-agents.ts";
import type { RouterPods } from "./router-pods.ts";
import type { PackageStoreClient } from "./package-store.ts";

/** What the operator is given: a cluster's in `operatorMain`, others in local mode. */
export interface OperatorDependencies {
  readonly client: KubernetesClient;
  /** For tokens of the audience `operator`. */
  readonly verifyRouterToken: TokenVerifier;
  readonly packageStore: PackageStoreClient;
  readonly runtimes: RuntimeTable;
  /** Public keys of the routers; absent: the leader makes the key and keeps it in a Secret. */
  readonly routerKeys?: readonly string[];
  /** How the leader speaks to agents of generic pods that wait; absent: by their addresses. */
  readonly poolAgents?: PoolAgents;
  /** What ids of function URLs come from; absent: the leader makes it and keeps it in a Secret. */
  readonly functionUrlKey?: Uint8Array;
  /** True when a router's pod is gone; undefined where routers are no pods: then silence tells. */
  readonly isReplicaGone: ((replica: string) => boolean) | undefined;
  /** Pods of routers, for the roster; absent where one router owns everything. */
  readonly routerPods?: Pick<RouterPods, "all" | "onChange">;
  /** The cluster takes resources of a whole pod. */
  readonly hasPodResources: boolean;
  /** Pods are containers, so that functions can bring images of their own, and pods can be given Secrets. */
  readonly hasContainers: boolean;
  /** Certificates (PEM) that registries may be signed by, beside the public authorities, as they stand now; absent: none. */
  readonly registryCaBundle?: (() => string) | undefined;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
  readonly log: Logger;
}
