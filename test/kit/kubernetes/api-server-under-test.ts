import { kubeconfigAccess } from "../../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient, type ApiServerClientOptions } from "../../../lib/kubernetes/api-server-client.ts";
import { isKubernetesError } from "../../../lib/kubernetes/kubernetes-error.ts";
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "../../cluster/control-plane.ts";
import { waitUntil } from "../../cluster/wait-until.ts";
import { widgetDefinition, widgetKind } from "./objects.ts";

/** A real API server that serves widgets, and clients of it. */
export interface ApiServerUnderTest {
  readonly controlPlane: ControlPlane;
  readonly client: ApiServerClient;
  /** A client of its own connections; closed by `stop`. */
  makeClient(options?: Partial<ApiServerClientOptions>): Promise<ApiServerClient>;
  makeNamespace(): Promise<string>;
  stop(): Promise<void>;
}

export async function startApiServer(options: ControlPlaneOptions = {}): Promise<ApiServerUnderTest> {
  const controlPlane = await startControlPlane(options);
  const clients: ApiServerClient[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map((each) => each.close()));
    await controlPlane.stop();
  };
  const makeClient = async (more: Partial<ApiServerClientOptions> = {}): Promise<ApiServerClient> => {
    const access = await kubeconfigAccess(controlPlane.kubeconfig);
    const made = new ApiServerClient({ access, kinds: [widgetKind], ...more });
    clients.push(made);
    return made;
  };
  try {
    const client = await makeClient();
    await client.create(widgetDefinition);
    await untilServed(client);
    const makeNamespace = async (): Promise<string> => {
      const draft = { apiVersion: "v1", kind: "Namespace", metadata: { name: "", generateName: "test-" } };
      return (await client.create(draft)).metadata.name;
    };
    return { controlPlane, client, makeClient, makeNamespace, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilServed(client: ApiServerClient): Promise<void> {
  await waitUntil({ what: "widgets to be served", timeoutMs: 20_000 }, async () => {
    try {
      return await client.list(widgetKind);
    } catch (error) {
      // Served first by a storage that is not ready: TooManyRequests.
      if (isKubernetesError(error, "NotFound", "TooManyRequests")) return undefined;
      throw error;
    }
  });
}
