import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { podCidr } from "./api-server.ts";
import { containerdSocket } from "./containerd.ts";
import type { DaemonSpec } from "./daemon.ts";
import { bridge } from "./node-network.ts";

export const nodeName = "node-1";
export const dnsAddress = "198.19.0.10";

export const nodePorts = { kubelet: 20250, kubeletHealth: 20248, proxyHealth: 20256, proxyMetrics: 20249 } as const;

/** The kubelet on the bridge's address; kernel switches that only some machines grant are left alone. */
export function kubeletSpec(stateDir: string, program: string, clientCaFile: string): DaemonSpec {
  const config = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: bridge.address,
    port: nodePorts.kubelet,
    healthzBindAddress: "127.0.0.1",
    healthzPort: nodePorts.kubeletHealth,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: clientCaFile } },
    authorization: { mode: "Webhook" },
    cgroupDriver: "cgroupfs",
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: `unix://${containerdSocket(stateDir)}`,
    podLogsDir: join(stateDir, "pod-logs"),
    volumePluginDir: join(stateDir, "volume-plugins"),
    resolvConf: resolverFile(),
    clusterDNS: [dnsAddress],
    clusterDomain: "cluster.local",
    // A test machine is often nearly full, and nothing of it may be taken from under a test.
    evictionHard: {
      "memory.available": "0%",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    serializeImagePulls: false,
    maxPods: 250,
    registryPullQPS: 0,
    eventRecordQPS: 0,
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
  };
  const configFile = join(stateDir, "kubelet.json");
  writeFileSync(configFile, JSON.stringify(config, undefined, 2));
  return {
    name: "kubelet",
    command: program,
    args: [
      "kubelet",
      `--config=${configFile}`,
      `--kubeconfig=${join(stateDir, "kubelet.kubeconfig")}`,
      `--root-dir=${join(stateDir, "kubelet")}`,
      `--cert-dir=${join(stateDir, "kubelet-pki")}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${bridge.address}`,
    ],
  };
}

export function kubeProxySpec(stateDir: string, program: string): DaemonSpec {
  const config = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    bindAddress: bridge.address,
    healthzBindAddress: `127.0.0.1:${nodePorts.proxyHealth}`,
    metricsBindAddress: `127.0.0.1:${nodePorts.proxyMetrics}`,
    clientConnection: { kubeconfig: join(stateDir, "kube-proxy.kubeconfig") },
    hostnameOverride: nodeName,
    clusterCIDR: podCidr,
    mode: "iptables",
    iptables: { minSyncPeriod: "100ms" },
    conntrack: { maxPerCore: 0, min: 0 },
    nodePortAddresses: [`${bridge.address}/32`],
  };
  const configFile = join(stateDir, "kube-proxy.json");
  writeFileSync(configFile, JSON.stringify(config, undefined, 2));
  return { name: "kube-proxy", command: program, args: ["kube-proxy", `--config=${configFile}`] };
}

/** Name servers that pods can reach: systemd's stub listens on the host's loopback alone. */
function resolverFile(): string {
  const behindStub = "/run/systemd/resolve/resolv.conf";
  return /^nameserver\s+127\./m.test(readFileSync("/etc/resolv.conf", "utf8")) && existsSync(behindStub)
    ? behindStub
    : "/etc/resolv.conf";
}
