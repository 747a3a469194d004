/**
 * A router in a process of its own, with an API server in memory that knows some functions and pods. Argument: RouterOrder as JSON.
 * Prints RouterThere as its first line. Processes with the same numbers in their order know the same uids.
 */
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { API_VERSION, ENVIRONMENT_COMPONENT, labels } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import { ROSTER_KEY, ROSTER_NAME, type Roster } from "../../crds/wire/roster.ts";
import { systemClock } from "../../lib/clock.ts";
import { formatPublicKey } from "../../lib/http/signed-claim.ts";
import type { TokenCheck } from "../../lib/http/service-account-token.ts";
import { keepNewObjectsYoung } from "../../lib/keep-new-objects-young.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { createLogger } from "../../lib/logger.ts";
import { ObjectStore, type RawAnswers } from "../../local/object-store.ts";
import { routerConfigSchema, startRouter } from "../../runtime-proxy/router.ts";
import type { BenchCredentials, RouterOrder, RouterThere } from "./router-order.ts";

const namespace = "default";
const installNamespace = "kubelambda";
const accessKeysSecret = "kubelambda-access-keys";
const revisionID = "r1";
const stopWithinMs = 2000;
/** Above what any scenario asks for: limits are not what is measured. */
const mostAtOnce = 100_000;

keepNewObjectsYoung();
const order = JSON.parse(process.argv[2] ?? "") as RouterOrder;
const { functions = 1, functionsWithPods = functions, replica, credentials } = order;
const privateKey =
  replica === undefined ? generateKeyPairSync("ed25519").privateKey : createPrivateKey(replica.signingKey);
let uids = 0;
const store = new ObjectStore({
  kinds: [functionKind],
  nowMs: Date.now,
  raw: credentials === undefined ? {} : reviewsFor(credentials),
  newUid: () => `00000000-0000-4000-8000-${String((uids += 1)).padStart(12, "0")}`,
});
const functionNames = Array.from({ length: functions }, (_, i) => (i === 0 ? "bench" : `bench-${i}`));
const functionUids: string[] = [];
for (const name of functionNames) functionUids.push(await addFunction(name));
const podUids: string[] = [];
for (let i = 0; i < order.environments; i += 1)
  podUids.push(await addPod(`environment-${i}`, functionUids[i % functionsWithPods] ?? ""));
if (replica !== undefined) await addRoster(replica.roster);
if (credentials !== undefined) await addAccessKey(credentials);

const router = await startRouter(
  routerConfigSchema.parse({
    KUBELAMBDA_LISTEN_HOST: "127.0.0.1",
    KUBELAMBDA_INVOKE_PORT: "0",
    KUBELAMBDA_INTERNAL_PORT: String(replica?.internalPort ?? 0),
    KUBELAMBDA_HEALTH_PORT: "0",
    KUBELAMBDA_OPERATOR_URL: order.operatorUrl,
    KUBELAMBDA_POD_UID: replica?.podUid ?? "bench-router",
    KUBELAMBDA_NAMESPACE: installNamespace,
    KUBELAMBDA_ACCESS_KEYS_SECRET: accessKeysSecret,
    KUBELAMBDA_ACCOUNT_CONCURRENCY: String(mostAtOnce),
    ...(order.answerMemoryBytes !== undefined && { KUBELAMBDA_ANSWER_MEMORY_BYTES: String(order.answerMemoryBytes) }),
    KUBELAMBDA_AUTH_MODE: credentials === undefined ? "none" : "optional",
  }),
  {
    client: store,
    signingKey: privateKey,
    verifyAgentToken: (authorization) => Promise.resolve(podNamedBy(authorization)),
    readOperatorToken: () => Promise.resolve("bench"),
    ...(replica === undefined && { roster: "alone" }),
    log: createLogger({ process: "router", stream: process.stderr }),
    clock: systemClock,
    draw: Math.random,
  },
);
process.once("SIGTERM", () => void router.stop(stopWithinMs).finally(() => process.exit(0)));
const { invokePort, internalPort } = router;
const there: RouterThere = {
  ...{ invokePort, internalPort, functionUid: functionUids[0] ?? "", revisionID, functionNames, podUids },
  routerKey: formatPublicKey(privateKey),
};
process.stdout.write(`${JSON.stringify(there)}\n`);

async function addFunction(name: string): Promise<string> {
  const { metadata } = await store.create({
    apiVersion: API_VERSION,
    kind: "Function",
    metadata: { name, namespace },
    spec: { timeout: 10, functionURLConfig: { authType: "NONE", invokeMode: "BUFFERED" } },
  } as unknown as FunctionObject);
  const functionURL = name === "bench" ? order.functionUrl : undefined;
  await store.patch(
    { kind: functionKind, name, namespace },
    { status: { state: "Active", revisionID, functionURL } },
    { subresource: "status" },
  );
  return metadata.uid;
}

async function addPod(name: string, functionUid: string): Promise<string> {
  const pod: KubernetesObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
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

async function addRoster(roster: Roster): Promise<void> {
  const metadata = { name: ROSTER_NAME, namespace: installNamespace };
  await store.create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata,
    data: { [ROSTER_KEY]: JSON.stringify(roster) },
  } as KubernetesObject);
}

async function addAccessKey({ accessKeyId, secretAccessKey }: BenchCredentials): Promise<void> {
  const key = JSON.stringify({ secretAccessKey, serviceAccount: `${namespace}/caller` });
  await store.create({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: accessKeysSecret, namespace: installNamespace },
    data: { [accessKeyId]: Buffer.from(key).toString("base64") },
  } as KubernetesObject);
}

/** An API server's word on who a caller is and what it may do, by its API. */
function reviewsFor({ token }: BenchCredentials): RawAnswers {
  const user = { username: `system:serviceaccount:${namespace}:caller`, uid: "caller", groups: [] };
  return {
    "POST /apis/authentication.k8s.io/v1/tokenreviews": (body) => ({
      status: { authenticated: (body as { spec: { token: string } }).spec.token === token, user },
    }),
    "POST /apis/authorization.k8s.io/v1/subjectaccessreviews": () => ({ status: { allowed: true } }),
  };
}

/** A pod's token is its uid here: tokens are checked when an environment announces itself, which no warm call does. */
function podNamedBy(authorization: string | undefined): TokenCheck {
  const podUid = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
  if (podUid === undefined) return { ok: false, reason: "no bearer token" };
  return { ok: true, identity: { namespace, serviceAccount: "default", podUid } };
}
