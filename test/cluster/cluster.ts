import { join, resolve } from "node:path";
import { startExistingCluster } from "./existing-cluster.ts";
import type { Cluster } from "./any-cluster.ts";
import type { Progress } from "./go-program.ts";
import { startK3s } from "./k3s-cluster.ts";
import { registryName } from "./containerd.ts";
import { bridge } from "./node-network.ts";
import * as own from "./own-cluster.ts";
import { registryPort } from "./registry.ts";
import { prepareTools, tool, toolsDir } from "./tools.ts";

export interface ClusterOptions {
  /** Shows a line; default: standard error. */
  readonly progress?: Progress;
}

/** Uses the cluster of KUBECONFIG if that is set, else k3s where Docker can run it, else the one that is built here. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const progress = options.progress ?? ((line) => void process.stderr.write(`${line}\n`));
  await prepareTools(progress);
  const clients = { kubectl: tool("kubectl"), helm: tool("helm"), aws: tool("aws") };
  const kubeconfig = process.env["KUBECONFIG"] ?? "";
  if (kubeconfig !== "" && resolve(kubeconfig) !== ownKubeconfig()) {
    return await startExistingCluster({ kubeconfig, clients, stateDir: own.stateDir });
  }
  if (kubeconfig === "" && own.deadDaemons().length > 0) {
    const k3s = await startK3s({ clients, stateDir: own.stateDir, progress });
    if (k3s !== undefined) return k3s;
  }
  return await startOwnCluster(clients, progress);
}

/** Where `up` writes the kubeconfig of the cluster that is built here. */
export function ownKubeconfig(): string {
  return join(own.stateDir, "kubeconfig");
}

/** Lines for a shell's `eval`. */
export function ownEnvironment(): string[] {
  return [`export KUBECONFIG="${ownKubeconfig()}"`, `export PATH="${toolsDir()}:$PATH"`];
}

async function startOwnCluster(
  clients: Pick<Cluster, "kubectl" | "helm" | "aws">,
  progress: Progress,
): Promise<Cluster> {
  const { started } = await own.upOwnCluster(progress);
  return {
    ...clients,
    kind: "own",
    kubeconfig: ownKubeconfig(),
    stateDir: own.stateDir,
    registry: { pushHost: `${bridge.address}:${registryPort}`, pullHost: `${registryName}:${registryPort}` },
    loadImage: own.loadImage,
    killComponent: (name) => own.stopComponent(name, 0),
    startComponent: own.startComponent,
    pauseComponent: own.pauseComponent,
    resumeComponent: own.resumeComponent,
    restartComponent: async (name) => {
      await own.stopComponent(name, 0);
      await own.startComponent(name);
    },
    stop: async () => {
      if (started) await own.downOwnCluster();
    },
  };
}
