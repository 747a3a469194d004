/**
 * An operator in a process of its own, leader by election, on a real API server that it comes to as a pod does. Argument: OperatorOrder as
 * JSON. Prints OperatorThere as its first line, once it leads.
 */

import { kindDefinitions } from "../../crds/kinds.ts";
import { systemClock } from "../../lib/clock.ts";
import { keepNewObjectsYoung } from "../../lib/keep-new-objects-young.ts";
import { inClusterAccess } from "../../lib/kubernetes/api-server-access.ts";
import type { TokenCheck } from "../../lib/http/service-account-token.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { createLogger } from "../../lib/logger.ts";
import { createHttpPackageStore } from "../../operator/http-package-store.ts";
import { operatorConfigSchema, startOperator } from "../../operator/operator.ts";

export interface OperatorOrder {
  /** Of the API server. */
  readonly host: string;
  readonly port: string;
  /** As the kubelet gives it to a pod. */
  readonly serviceAccountDir: string;
  readonly packagesUrl: string;
  /** Of the package store's test verifier. */
  readonly packagesToken: string;
  /** What a router shows; absent: there are none. */
  readonly routerToken?: string;
}

export interface OperatorThere {
  readonly healthPort: number;
  /** Where routers report. */
  readonly internalPort: number;
}

const stopWithinMs = 5000;
/** Above what a run takes: nothing goes while it is measured. */
const idleSeconds = "3600";
const lookMs = 50;

keepNewObjectsYoung();
void main(JSON.parse(process.argv[2] ?? "") as OperatorOrder);

async function main(order: OperatorOrder): Promise<void> {
  const { host, port, serviceAccountDir, packagesUrl, packagesToken, routerToken } = order;
  const client = new ApiServerClient({
    access: await inClusterAccess({ host, port, dir: serviceAccountDir }),
    kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
  });
  const operator = await startOperator(
    operatorConfigSchema.parse({
      KUBELAMBDA_NAMESPACE: "kubelambda",
      KUBELAMBDA_IMAGE: "kubelambda:bench",
      KUBELAMBDA_PACKAGES_URL: packagesUrl,
      KUBELAMBDA_ROUTER_URL: "http://router.test:19002",
      KUBELAMBDA_ROUTER_SERVICE_ACCOUNT: "kubelambda/router",
      KUBELAMBDA_IDLE_TIMEOUT_SECONDS: idleSeconds,
      KUBELAMBDA_LEADER_ELECTION: "true",
      // As the chart has it, but for the pool: no agent here can be given a function.
      KUBELAMBDA_GENERIC_PODS: "true",
      KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
      KUBELAMBDA_HEALTH_PORT: "0",
      KUBELAMBDA_INTERNAL_PORT: "0",
    }),
    {
      client,
      verifyRouterToken: (authorization) => Promise.resolve(checkRouter(authorization, routerToken)),
      packageStore: createHttpPackageStore({ url: packagesUrl, readToken: () => Promise.resolve(packagesToken) }),
      runtimes: { "nodejs24.x": { image: `registry.test/nodejs@sha256:${"24".repeat(32)}`, state: "supported" } },
      isReplicaGone: () => false,
      hasPodResources: true,
      hasContainers: true,
      clock: systemClock,
      draw: Math.random,
      log: createLogger({ process: "operator", level: "error", stream: process.stderr }),
    },
  );
  process.once("SIGTERM", () => void operator.stop(stopWithinMs).finally(() => process.exit(0)));
  while (!operator.isLeading()) await new Promise((resolve) => setTimeout(resolve, lookMs));
  const there: OperatorThere = { healthPort: operator.healthPort, internalPort: operator.internalPort };
  process.stdout.write(`${JSON.stringify(there)}\n`);
}

function checkRouter(authorization: string | undefined, token: string | undefined): TokenCheck {
  if (token === undefined || authorization !== `Bearer ${token}`)
    return { ok: false, reason: "it is no router's token" };
  return { ok: true, identity: { namespace: "kubelambda", serviceAccount: "router", podUid: "bench-router" } };
}
