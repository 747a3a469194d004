/** Operators as processes, each with a pod; one of them leads. */
import { ports } from "../../../crds/wire/routes.ts";
import type { OperatorWorld } from "../operator-world.ts";
import type { FleetNetwork } from "./fleet-network.ts";
import { createInstallPod, deletePod, setPodReady } from "./fleet-pods.ts";
import { killProcess, startFleetProcess, type FleetProcess } from "./fleet-process.ts";
import type { FleetOperatorOrder, FleetOperatorPorts } from "./operator-process.ts";

export interface OneOperator extends FleetProcess<FleetOperatorPorts> {
  readonly podName: string;
  readonly podIP: string;
}

export interface FleetOperatorsParts {
  readonly world: OperatorWorld;
  readonly network: FleetNetwork;
  /** The install namespace. */
  readonly namespace: string;
  readonly storeUrl: () => string;
  /** Of every operator. */
  readonly variables: Readonly<Record<string, string>>;
}

export class FleetOperators {
  readonly all: OneOperator[] = [];
  readonly #parts: FleetOperatorsParts;
  #made = 0;

  constructor(parts: FleetOperatorsParts) {
    this.#parts = parts;
  }

  async add(): Promise<void> {
    const { world, network, namespace, storeUrl, variables } = this.#parts;
    this.#made += 1;
    const podName = `operator-${this.#made}`;
    const [podIP, group] = [network.newAddress(), network.newGroup()];
    const pod = await createInstallPod(world.client, { name: podName, namespace, serviceAccount: "operator" });
    await setPodReady(world.client, { podName, podIP, namespace }, true);
    const order: FleetOperatorOrder = {
      kubeconfig: world.controlPlane.kubeconfig,
      storeUrl: storeUrl(),
      variables: {
        KUBELAMBDA_POD_NAME: podName,
        KUBELAMBDA_POD_UID: pod.metadata.uid,
        KUBELAMBDA_LISTEN_HOST: podIP,
        KUBELAMBDA_INTERNAL_PORT: String(ports.operatorInternal),
        KUBELAMBDA_HEALTH_PORT: "0",
        KUBELAMBDA_PACKAGES_URL: storeUrl(),
        ...variables,
      },
    };
    const started = await startFleetProcess<FleetOperatorPorts>("./operator-process.ts", order, group);
    this.all.push({ ...started, podName, podIP });
  }

  /** kill -9; its kubelet notices. */
  async kill(operator: OneOperator): Promise<void> {
    this.all.splice(this.all.indexOf(operator), 1);
    await killProcess(operator);
    const { world, namespace } = this.#parts;
    await deletePod(world.client, namespace, operator.podName);
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.splice(0).map(killProcess));
  }
}
