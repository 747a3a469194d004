import { once } from "node:events";
import { connect } from "node:net";
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
  /** kill -9 of the API server; resolves when its port is closed. */
  kill(): Promise<void>;
  /** Starts it again; resolves when it serves widgets. */
  restart(): Promise<void>;
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
    const kill = async (): Promise<void> => {
      await controlPlane.kill("kube-apiserver");
      await untilClosed(Number(new URL(controlPlane.server).port));
    };
    const restart = async (): Promise<void> => {
      await controlPlane.start("kube-apiserver");
      await untilServed(client);
    };
    return { controlPlane, client, makeClient, makeNamespace, kill, restart, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The kernel closes a killed program's port a moment after the program counts as ended. */
async function untilClosed(port: number): Promise<void> {
  await waitUntil({ what: `port ${port} to close`, timeoutMs: 5000, everyMs: 5 }, async () => {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return isOpen ? undefined : true;
  });
}

async function untilServed(client: ApiServerClient): Promise<void> {
  await waitUntil({ what: "widgets to be served", timeoutMs: 20_000 }, async () => {
    try {
      return await client.list(widgetKind);
    } catch (error) {
      // Served first by a storage that is not ready: TooManyRequests.
      if (isKubernetesError(error, "NotFound", "TooManyRequests", "Unavailable")) return undefined;
      throw error;
    }
  });
}
