import { join } from "node:path";
import { apiServerArgs, type ApiServerAddress, type Credentials, podCidr } from "./api-server.ts";
import type { DaemonSpec } from "./daemon.ts";
import { type EtcdPorts, etcdSpec, etcdUrl } from "./etcd.ts";
import { bridge } from "./node-network.ts";
import type { Certified } from "./pki.ts";

/** On the bridge's address, where pods reach it as the Service "kubernetes". */
export const apiServerAddress: ApiServerAddress = { host: bridge.address, port: 26443 };

const etcdPorts: EtcdPorts = { client: 22379, peer: 22380 };

/** What the API server is to others. */
export interface ApiServerClients {
  readonly kubelet: Certified;
  /** To servers of aggregated APIs; `authority` is for this alone. */
  readonly frontProxy: Certified & { readonly authority: Certified };
}

export const frontProxyName = "front-proxy-client";

export const controlPlanePorts = { controllerManager: 20257, scheduler: 20259 } as const;

/** etcd, API server, controller manager and scheduler of the whole cluster; ports lie below the node ports and the ephemeral ones. */
export function controlPlaneSpecs(
  stateDir: string,
  program: string,
  credentials: Credentials,
  clients: ApiServerClients,
): DaemonSpec[] {
  const component = (name: string, args: readonly string[]): DaemonSpec => ({
    name,
    command: program,
    args: [name, ...args],
  });
  return [
    etcdSpec(stateDir, etcdPorts),
    component("kube-apiserver", [
      ...apiServerArgs(credentials, apiServerAddress, etcdUrl(etcdPorts)),
      `--client-ca-file=${credentials.authority.certFile}`,
      `--kubelet-client-certificate=${clients.kubelet.certFile}`,
      `--kubelet-client-key=${clients.kubelet.keyFile}`,
      "--kubelet-preferred-address-types=InternalIP",
      ...aggregationArgs(clients.frontProxy),
    ]),
    component("kube-controller-manager", [
      `--kubeconfig=${join(stateDir, "kube-controller-manager.kubeconfig")}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${controlPlanePorts.controllerManager}`,
      `--cert-dir=${join(stateDir, "controller-manager-pki")}`,
      `--cluster-cidr=${podCidr}`,
      `--root-ca-file=${credentials.authority.certFile}`,
      `--service-account-private-key-file=${credentials.serviceAccountKey.privateFile}`,
      "--use-service-account-credentials",
      // Default 15 s: what scales by a metric is waited for in tests.
      "--horizontal-pod-autoscaler-sync-period=2s",
      "--leader-elect=false",
    ]),
    component("kube-scheduler", [
      `--kubeconfig=${join(stateDir, "kube-scheduler.kubeconfig")}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${controlPlanePorts.scheduler}`,
      `--cert-dir=${join(stateDir, "scheduler-pki")}`,
      "--leader-elect=false",
    ]),
  ];
}

/** Servers of aggregated APIs (APIService) believe whom the API server says that it asks for. Source: Kubernetes, "Configure the Aggregation Layer". */
function aggregationArgs({ authority, certFile, keyFile }: ApiServerClients["frontProxy"]): string[] {
  return [
    `--requestheader-client-ca-file=${authority.certFile}`,
    `--requestheader-allowed-names=${frontProxyName}`,
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${certFile}`,
    `--proxy-client-key-file=${keyFile}`,
  ];
}
