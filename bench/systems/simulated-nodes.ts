/** Nodes without kubelets: the real kube-scheduler binds pods to them, and a KWOK for each node, as a kubelet would, says of each pod there that it runs. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { freePorts } from "../../lib/free-ports.ts";
import { buildGoProgram, components } from "../../test/cluster/go-program.ts";
import type { BenchContext } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import { kwok } from "./go-programs.ts";

export interface SimulatedNodes {
  end(): Promise<void>;
}

export interface NodesWanted {
  readonly client: ApiServerClient;
  readonly kubeconfig: string;
  readonly nodes: number;
}

/** Of the scheduler's client: with the usual 50 it binds 50 pods a second. */
export const schedulerRequestsPerSecond = 1000;
/** Of the Go programs: less of their time goes into garbage, and memory is not what is measured of them. */
export const goGarbagePercent = { GOGC: "400" };
/** A kubelet is not on its control plane's machine, so what it takes there should be little. */
const playersGarbage = { GOGC: "off", GOMEMLIMIT: "192MiB" };
const podsOfNode = 4000;
const stages = fileURLToPath(new URL("../programs/kwok/stages.yaml", import.meta.url));

export async function startSimulatedNodes(context: BenchContext, wanted: NodesWanted): Promise<SimulatedNodes> {
  const { processes, progress, folder } = context;
  const { client, kubeconfig, nodes } = wanted;
  const [program, simulator] = [await buildGoProgram(components, progress), await buildGoProgram(kwok, progress)];
  const names = Array.from({ length: nodes }, (_, i) => `node-${i}`);
  for (const name of names) await addNode(client, name);
  const [securePort = 0, ...playerPorts] = await freePorts(nodes + 1);
  const started: BenchProcess[] = [];
  const start = async (argv: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<void> => {
    const env = { PATH: process.env["PATH"] ?? "", ...goGarbagePercent, ...variables };
    started.push(await processes.start({ argv, env }));
  };
  await start([
    ...[program, "kube-scheduler", `--kubeconfig=${kubeconfig}`, "--leader-elect=false"],
    ...["--bind-address=127.0.0.1", `--secure-port=${securePort}`, `--cert-dir=${join(folder, "scheduler-pki")}`],
    ...[`--kube-api-qps=${schedulerRequestsPerSecond}`, `--kube-api-burst=${2 * schedulerRequestsPerSecond}`],
  ]);
  // One for all nodes would begin every watch with all pods that there are, and watches end early in a burst.
  for (const [i, name] of names.entries()) {
    const player = [simulator, `--kubeconfig=${kubeconfig}`, `--manage-single-node=${name}`, `--config=${stages}`];
    const address = `--server-address=127.0.0.1:${playerPorts[i] ?? 0}`;
    await start([...player, "--cidr=198.18.0.0/16", address, "--node-lease-duration-seconds=0"], {
      ...playersGarbage,
      HOME: folder,
    });
  }
  return {
    async end() {
      await Promise.all(started.map((process) => process.end()));
    },
  };
}

async function addNode(client: ApiServerClient, name: string): Promise<void> {
  await client.raw("POST", "/api/v1/nodes", node(name));
  // The API server takes every new node for one that is not ready.
  await client.patch({ kind: kinds.node, name }, { spec: { taints: [] } });
}

function node(name: string): object {
  const capacity = { cpu: "10000", memory: "100Ti", "ephemeral-storage": "100Ti", pods: String(podsOfNode) };
  const labels = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels },
    status: { capacity, allocatable: capacity, conditions: [{ type: "Ready", status: "True", reason: "KwokReady" }] },
  };
}
