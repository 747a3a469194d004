import { API_VERSION, labels } from "../../crds/names.ts";
import { functionKind, type FunctionObject, type FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, ObjectRef, Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../../operator/pod.ts";
import type { Cluster } from "../../test/cluster/any-cluster.ts";
import { startCluster } from "../../test/cluster/cluster.ts";
import { waitUntil } from "../../test/cluster/wait-until.ts";
import { run } from "../../test/cluster/run.ts";
import { authorizeCaller } from "../../test/e2e/caller.ts";
import { forwardRouter } from "../../test/e2e/router-access.ts";

interface ServiceObject extends KubernetesObject {
  readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly port: number }[] };
}

const installNamespace = "kubelambda";
const routerService = "kubelambda-router";
const namespace = "default";
const changeLimitMs = 120_000;
const poolRestMs = 2500;

/** kubelambda as it is installed on a cluster, in its own namespace. */
export class Installed {
  readonly cluster: Cluster;
  readonly client: ApiServerClient;
  readonly routerUrl: string;
  /** Header of a caller who may call every function. */
  readonly authorization: string;

  private constructor(cluster: Cluster, client: ApiServerClient, at: Pick<Installed, "routerUrl" | "authorization">) {
    this.cluster = cluster;
    this.client = client;
    this.routerUrl = at.routerUrl;
    this.authorization = at.authorization;
  }

  /** The test cluster, or the one of KUBECONFIG; rejects where no router's Service is. */
  static async find(progress: (line: string) => void): Promise<Installed> {
    const cluster = await startCluster({ progress });
    const client = new ApiServerClient({ access: await kubeconfigAccess(cluster.kubeconfig), kinds: [functionKind] });
    const ref = { kind: kinds.service, namespace: installNamespace, name: routerService };
    const { spec } = await client.get<ServiceObject>(ref);
    const address = `http://${spec.clusterIP}:${spec.ports[0]?.port ?? 80}`;
    const isNear = cluster.kind === "own";
    const routerUrl = isNear ? address : await forwardRouter(cluster, installNamespace, routerService);
    const command = async (args: readonly string[], { input }: { readonly input?: string } = {}): Promise<string> =>
      await run(cluster.kubectl, args, {
        env: { KUBECONFIG: cluster.kubeconfig },
        timeoutMs: 60_000,
        ...(input !== undefined && { input }),
      });
    return new Installed(cluster, client, { routerUrl, authorization: await authorizeCaller(command) });
  }

  /** Makes a function and waits until it takes calls; none has been made, so it has no environment. `more`: of its spec. */
  async addFunction(name: string, more: Partial<FunctionSpecInput> = {}): Promise<Stored<FunctionObject>> {
    const created = await this.client.create({
      apiVersion: API_VERSION,
      kind: "Function",
      metadata: { name, namespace },
      spec: {
        runtime: "nodejs24.x",
        handler: "index.handler",
        memorySize: 128,
        timeout: 10,
        code: {
          files: { "index.mjs": "export const handler = async ({ name }) => ({ greeting: `Hello, ${name}` });\n" },
        },
        ...more,
      },
    } as unknown as FunctionObject);
    const ref = { kind: functionKind, namespace, name };
    await waitUntil({ what: `function "${name}" to become Active`, timeoutMs: changeLimitMs }, async () => {
      const { status } = await this.client.get<FunctionObject>(ref);
      return status?.state === "Active" ? true : undefined;
    });
    return created;
  }

  async environmentsOf(functionUid: string): Promise<readonly Stored<Pod>[]> {
    const labelSelector = `${labels.functionUid}=${functionUid}`;
    return (await this.client.list<Pod>(kinds.pod, { namespace, labelSelector })).items;
  }

  /** Waits until so many generic pods of the namespace wait for a function and run, and no other is on its way; what a call left behind is over then. */
  async untilPoolRests(fewest: number): Promise<void> {
    const labelSelector = `${labels.generic},!${labels.functionUid}`;
    await waitUntil({ what: `${fewest} generic pods that wait`, timeoutMs: changeLimitMs, everyMs: 250 }, async () => {
      const { items } = await this.client.list<Pod>(kinds.pod, { namespace, labelSelector });
      const running = items.filter(({ status }) => status?.phase === "Running");
      return running.length >= fewest && running.length === items.length ? true : undefined;
    });
    // The operator asks their agents, and fills up once a second.
    await new Promise((resolve) => setTimeout(resolve, poolRestMs));
  }

  /** Makes a pod; resolves as soon as the API server has it. */
  async addPod(pod: Pod): Promise<Stored<Pod>> {
    return await this.client.create(pod);
  }

  /** Removes a function and waits until its environments are gone too. */
  async removeFunction({ metadata }: Stored<FunctionObject>): Promise<void> {
    await this.#remove({ kind: functionKind, namespace, name: metadata.name });
    await waitUntil({ what: `the environments of "${metadata.name}" to go`, timeoutMs: changeLimitMs }, async () =>
      (await this.environmentsOf(metadata.uid)).length === 0 ? true : undefined,
    );
  }

  async removePod(name: string): Promise<void> {
    await this.#remove({ kind: kinds.pod, namespace, name });
  }

  async #remove(ref: ObjectRef): Promise<void> {
    await this.client.delete(ref);
    await waitUntil({ what: `${ref.kind.kind} "${ref.name}" to go`, timeoutMs: changeLimitMs }, async () => {
      try {
        await this.client.get(ref);
        return undefined;
      } catch (error) {
        if (isKubernetesError(error, "NotFound")) return true;
        throw error;
      }
    });
  }
}
