/** A real API server with the chart's accounts and roles, and a router that asks it, as its own account, who calls and what a caller may do. */
import type { JSONWebKeySet } from "jose";
import { parseAllDocuments } from "yaml";
import { audiences } from "../../crds/wire/routes.ts";
import { createTokenVerifier } from "../../lib/http/service-account-token.ts";
import { kubeconfigAccess, type ApiServerAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { AccessKeyStore, type NewAccessKey } from "../../operator/access-keys.ts";
import type { RouterConfig } from "../../runtime-proxy/router.ts";
import { startControlPlane, type ControlPlane } from "../cluster/control-plane.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";
import { RouterWorld } from "./router-world.ts";

const installNamespace = "kubelambda";
const rbac = "rbac.authorization.k8s.io/v1";
/** Path of each kind that is made here. */
const paths: Readonly<Record<string, string>> = {
  ServiceAccount: "/api/v1/namespaces/NS/serviceaccounts",
  Role: `/apis/${rbac}/namespaces/NS/roles`,
  RoleBinding: `/apis/${rbac}/namespaces/NS/rolebindings`,
  ClusterRole: `/apis/${rbac}/clusterroles`,
  ClusterRoleBinding: `/apis/${rbac}/clusterrolebindings`,
};

export interface Question {
  readonly verb: string;
  readonly resource: string;
  readonly group?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

export class AccessWorld {
  readonly controlPlane: ControlPlane;
  /** An administrator. */
  readonly admin: ApiServerClient;
  readonly keys: AccessKeyStore;
  readonly routers: RouterWorld;
  readonly #asRouter: ApiServerClient;

  private constructor(parts: { controlPlane: ControlPlane; admin: ApiServerClient; asRouter: ApiServerClient }) {
    this.controlPlane = parts.controlPlane;
    this.admin = parts.admin;
    this.#asRouter = parts.asRouter;
    this.keys = new AccessKeyStore(this.admin, installNamespace, "kubelambda-access-keys");
    this.routers = new RouterWorld((store) => withReviews(store, this.#asRouter));
  }

  static async start(namespaces: readonly string[], config: Partial<RouterConfig> = {}): Promise<AccessWorld> {
    await prepareTools((line) => void process.stderr.write(`    ${line}\n`));
    const controlPlane = await startControlPlane();
    const access = await kubeconfigAccess(controlPlane.kubeconfig);
    const admin = new ApiServerClient({ access });
    for (const name of [installNamespace, ...namespaces]) {
      await admin.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    for (const object of await renderChart()) await make(admin, object);
    const token = await tokenOf(admin, `${installNamespace}/kubelambda-router`);
    const asRouter = new ApiServerClient({ access: withToken(access, token) });
    const world = new AccessWorld({ controlPlane, admin, asRouter });
    const fetchKeys = async (): Promise<JSONWebKeySet> =>
      (await asRouter.raw("GET", "/openid/v1/jwks")) as JSONWebKeySet;
    world.routers.verifyTopToken = createTokenVerifier({ audience: audiences.top, fetchKeys, nowMs: Date.now });
    world.routers.verifyCallerToken = createTokenVerifier({ fetchKeys, nowMs: Date.now });
    await world.routers.startRouter({ KUBELAMBDA_AUTH_MODE: "required", KUBELAMBDA_TOP_PORT: 0, ...config });
    return world;
  }

  get routerUrl(): string {
    return `http://127.0.0.1:${this.routers.router.invokePort}`;
  }

  async stop(): Promise<void> {
    await this.routers.close();
    await Promise.all([this.admin.close(), this.#asRouter.close()]);
    await this.controlPlane.stop();
  }

  /** A function that answers with its ARN and the event, and one environment of it. */
  async addFunction(namespace: string, name: string, objectName = name): Promise<void> {
    const spec = objectName === name ? {} : { spec: { name } as never };
    const owner = await this.routers.addFunction({ namespace, name: objectName, ...spec });
    const agent = await this.routers.addEnvironment(owner);
    agent.script = ({ event }) => ({ body: JSON.stringify({ namespace, name, event: JSON.parse(event) as unknown }) });
  }

  async makeAccount(account: string): Promise<void> {
    const [namespace = "", name = ""] = account.split("/");
    await this.make({ apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } });
  }

  async make(object: KubernetesObject): Promise<void> {
    await make(this.admin, object);
  }

  /** Binds a ClusterRole of the chart to an account, in one namespace. */
  async grant(account: string, namespace: string, role: string): Promise<void> {
    const [accountNamespace = "", name = ""] = account.split("/");
    await this.make({
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: { namespace, name: `${accountNamespace}-${name}-${role}` },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: role.startsWith("kubelambda-") ? "ClusterRole" : "Role",
        name: role,
      },
      subjects: [{ kind: "ServiceAccount", namespace: accountNamespace, name }],
    } as KubernetesObject);
  }

  /** Makes a key and waits until it is heard of. */
  async makeKey(serviceAccount: string): Promise<NewAccessKey> {
    const key = await this.keys.create({ serviceAccount, nowMs: Date.now() });
    return key;
  }

  async token(account: string, audiences?: readonly string[]): Promise<string> {
    return await tokenOf(this.admin, account, audiences);
  }

  /** What RBAC says of an account of the installation, or of a user with these groups. */
  async may(account: string, { verb, resource, group = "", ...where }: Question): Promise<boolean> {
    const [namespace = "", name = ""] = account.split("/");
    const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
    const answer = (await this.admin.raw("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: `system:serviceaccount:${namespace}:${name}`,
        groups,
        resourceAttributes: { verb, resource, group, ...where },
      },
    })) as { readonly status: { readonly allowed: boolean } };
    return answer.status.allowed;
  }
}

/** Functions and pods come from memory; Secrets and reviews from the API server. */
function withReviews(store: KubernetesClient, real: KubernetesClient): KubernetesClient {
  const clientOf = (plural: string): KubernetesClient => (plural === "secrets" ? real : store);
  return {
    get: (ref, options) => clientOf(ref.kind.plural).get(ref, options),
    list: (kind, options) => clientOf(kind.plural).list(kind, options),
    watch: (kind, options) => clientOf(kind.plural).watch(kind, options),
    create: (object, options) => store.create(object, options),
    update: (object, options) => store.update(object, options),
    apply: (object, options) => store.apply(object, options),
    patch: (ref, patch, options) => store.patch(ref, patch, options),
    delete: (ref, options) => store.delete(ref, options),
    raw: (method, path, body, options) => real.raw(method, path, body, options),
  };
}

/** The accounts and roles that `helm install` makes. */
async function renderChart(): Promise<readonly KubernetesObject[]> {
  const args = ["template", "kubelambda", `${repositoryRoot}/charts/kubelambda`, "--namespace", installNamespace];
  const text = await run(tool("helm"), args, { timeoutMs: 60_000 });
  const objects = parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject | null);
  return objects.filter((object): object is KubernetesObject => object !== null && object.kind in paths);
}

async function make(client: ApiServerClient, object: KubernetesObject): Promise<void> {
  const path = paths[object.kind]?.replace("NS", object.metadata.namespace ?? installNamespace) ?? "";
  await client.raw("POST", path, object).catch((error: unknown) => {
    if (!isKubernetesError(error, "AlreadyExists")) throw error;
  });
}

async function tokenOf(client: ApiServerClient, account: string, audiences?: readonly string[]): Promise<string> {
  const [namespace, name] = account.split("/");
  const answer = (await client.raw("POST", `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 600, ...(audiences !== undefined && { audiences }) },
  })) as { readonly status: { readonly token: string } };
  return answer.status.token;
}

function withToken(access: ApiServerAccess, token: string): ApiServerAccess {
  return {
    ...access,
    async credentials() {
      const { tls } = await access.credentials();
      return { tls, headers: { authorization: `Bearer ${token}` } };
    },
  };
}

/** A token that looks like one. */
export function forgedToken(aud: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sub = "system:serviceaccount:team-a:ci";
  return `${part({ alg: "none" })}.${part({ aud: [aud], sub, exp: 4_000_000_000 })}.AAAA`;
}
