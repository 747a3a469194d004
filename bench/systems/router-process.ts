/**
 * A router in a process of its own, with an API server in memory that knows one function and some pods. Argument: RouterOrder as JSON.
 * Prints RouterThere as its first line.
 */
import { generateKeyPairSync } from "node:crypto";
import { API_VERSION, ENVIRONMENT_COMPONENT, labels } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { systemClock } from "../../lib/clock.ts";
import { formatPublicKey } from "../../lib/http/signed-claim.ts";
import type { TokenCheck } from "../../lib/http/service-account-token.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { createLogger } from "../../lib/logger.ts";
import { ObjectStore } from "../../local/object-store.ts";
import { routerConfigSchema, startRouter } from "../../runtime-proxy/router.ts";

export interface RouterOrder {
  /** How many pods there are. */
  readonly environments: number;
  readonly operatorUrl: string;
  /** Of the function; absent: it has none. */
  readonly functionUrl?: string;
}

export interface RouterThere {
  readonly invokePort: number;
  readonly internalPort: number;
  readonly routerKey: string;
  readonly functionUid: string;
  readonly revisionID: string;
  readonly podUids: readonly string[];
}

const revisionID = "r1";
const stopWithinMs = 2000;

const order = JSON.parse(process.argv[2] ?? "") as RouterOrder;
const { privateKey } = generateKeyPairSync("ed25519");
const store = new ObjectStore({ kinds: [functionKind], nowMs: Date.now });
const functionUid = await addFunction();
const podUids: string[] = [];
for (let i = 0; i < order.environments; i += 1) podUids.push(await addPod(`environment-${i}`));

const router = await startRouter(
  routerConfigSchema.parse({
    KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
    KUBELAMBDA_INVOKE_PORT: "0",
    KUBELAMBDA_INTERNAL_PORT: "0",
    KUBELAMBDA_HEALTH_PORT: "0",
    KUBELAMBDA_OPERATOR_URL: order.operatorUrl,
    KUBELAMBDA_POD_UID: "bench-router",
    KUBELAMBDA_NAMESPACE: "kubelambda",
    KUBELAMBDA_AUTH_MODE: "none",
  }),
  {
    client: store,
    signingKey: privateKey,
    verifyAgentToken: (authorization) => Promise.resolve(podNamedBy(authorization)),
    readOperatorToken: () => Promise.resolve("bench"),
    roster: "alone",
    log: createLogger({ process: "router", stream: process.stderr }),
    clock: systemClock,
    draw: Math.random,
  },
);
process.once("SIGTERM", () => void router.stop(stopWithinMs).finally(() => process.exit(0)));
const { invokePort, internalPort } = router;
const there: RouterThere = {
  ...{ invokePort, internalPort, functionUid, revisionID, podUids },
  routerKey: formatPublicKey(privateKey),
};
process.stdout.write(`${JSON.stringify(there)}\n`);

async function addFunction(): Promise<string> {
  const { metadata } = await store.create({
    apiVersion: API_VERSION,
    kind: "Function",
    metadata: { name: "bench", namespace: "default" },
    spec: { timeout: 10, functionURLConfig: { authType: "NONE", invokeMode: "BUFFERED" } },
  } as unknown as FunctionObject);
  const ref = { kind: functionKind, name: "bench", namespace: "default" };
  await store.patch(
    ref,
    { status: { state: "Active", revisionID, functionURL: order.functionUrl } },
    { subresource: "status" },
  );
  return metadata.uid;
}

async function addPod(name: string): Promise<string> {
  const pod: KubernetesObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      labels: {
        [labels.component]: ENVIRONMENT_COMPONENT,
        [labels.functionUid]: functionUid,
        [labels.revision]: revisionID,
      },
    },
    spec: {},
  };
  return (await store.create(pod)).metadata.uid;
}

/** A pod's token is its uid here: tokens are checked when an environment announces itself, which no warm call does. */
function podNamedBy(authorization: string | undefined): TokenCheck {
  const podUid = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
  if (podUid === undefined) return { ok: false, reason: "no bearer token" };
  return { ok: true, identity: { namespace: "default", serviceAccount: "default", podUid } };
}
