/** A router in a process of its own, on a real API server, alone. Argument: ClusterRouterOrder as JSON. Prints ClusterRouterThere as its first line. */
import { generateKeyPairSync } from "node:crypto";
import { kindDefinitions } from "../../crds/kinds.ts";
import { systemClock } from "../../lib/clock.ts";
import type { TokenCheck } from "../../lib/http/service-account-token.ts";
import { keepNewObjectsYoung } from "../../lib/keep-new-objects-young.ts";
import { inClusterAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { createLogger } from "../../lib/logger.ts";
import { routerConfigSchema, startRouter } from "../../runtime-proxy/router.ts";

export interface ClusterRouterOrder {
  /** Of the API server. */
  readonly host: string;
  readonly port: string;
  readonly serviceAccountDir: string;
  readonly operatorUrl: string;
  readonly operatorToken: string;
  /** Of the functions and pods. */
  readonly namespace: string;
}

export interface ClusterRouterThere {
  readonly invokePort: number;
  readonly internalPort: number;
}

const stopWithinMs = 2000;
const mostAtOnce = "100000";
/** Above what a run takes: how long calls wait is not what is measured. */
const longestWaitMs = "900000";

keepNewObjectsYoung();
void main(JSON.parse(process.argv[2] ?? "") as ClusterRouterOrder);

async function main(order: ClusterRouterOrder): Promise<void> {
  const { host, port, serviceAccountDir: dir, operatorUrl, operatorToken, namespace } = order;
  const router = await startRouter(
    routerConfigSchema.parse({
      KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
      KUBELAMBDA_INVOKE_PORT: "0",
      KUBELAMBDA_INTERNAL_PORT: "0",
      KUBELAMBDA_HEALTH_PORT: "0",
      KUBELAMBDA_OPERATOR_URL: operatorUrl,
      KUBELAMBDA_POD_UID: "bench-router",
      KUBELAMBDA_NAMESPACE: "kubelambda",
      KUBELAMBDA_DEFAULT_NAMESPACE: namespace,
      KUBELAMBDA_ACCOUNT_CONCURRENCY: mostAtOnce,
      KUBELAMBDA_ENVIRONMENT_WAIT_MS: longestWaitMs,
      KUBELAMBDA_AUTH_MODE: "none",
    }),
    {
      client: new ApiServerClient({
        access: await inClusterAccess({ host, port, dir }),
        kinds: kindDefinitions.map((kind) => ({ ...kind, namespaced: true })),
      }),
      signingKey: generateKeyPairSync("ed25519").privateKey,
      verifyAgentToken: (authorization) => Promise.resolve(podNamedBy(authorization, namespace)),
      readOperatorToken: () => Promise.resolve(operatorToken),
      roster: "alone",
      log: createLogger({ process: "router", level: "error", stream: process.stderr }),
      clock: systemClock,
      draw: Math.random,
    },
  );
  process.once("SIGTERM", () => void router.stop(stopWithinMs).finally(() => process.exit(0)));
  const { invokePort, internalPort } = router;
  process.stdout.write(`${JSON.stringify({ invokePort, internalPort } satisfies ClusterRouterThere)}\n`);
}

/** A pod's token is its uid here. */
function podNamedBy(authorization: string | undefined, namespace: string): TokenCheck {
  const podUid = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
  if (podUid === undefined) return { ok: false, reason: "no bearer token" };
  return { ok: true, identity: { namespace, serviceAccount: "default", podUid } };
}
