import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Credentials, createCredentials, waitForApiServer, writeKubeconfig } from "./api-server.ts";
import { clusterDnsObjects } from "./cluster-dns.ts";
import {
  containerdSocket,
  containerdSpec,
  importImages,
  networkName,
  removeContainers,
  writeContainerdConfig,
} from "./containerd.ts";
import { apiServerAddress, controlPlaneSpecs, frontProxyName } from "./control-plane-daemons.ts";
import { type DaemonSpec, isDaemonAlive, pauseDaemon, resumeDaemon, startDaemon, stopDaemon } from "./daemon.ts";
import { waitForDaemon } from "./daemon-health.ts";
import { withFileLock } from "./file-lock.ts";
import { buildGoProgram, components, type Progress } from "./go-program.ts";
import { removeLogLinks, removeNetworkResults, removePodCgroups, unmountBelow } from "./mounts.ts";
import { kubeletSpec, kubeProxySpec, nodeName } from "./node-daemons.ts";
import { createNodeNetwork, isNodeOfAnother, removeKubeletChains, removeNodeNetwork } from "./node-network.ts";
import { cacheDir } from "./paths.ts";
import { createAuthority, issueCertificate } from "./pki.ts";
import { registryPort, registrySpec } from "./registry.ts";
import { run } from "./run.ts";
import { buildSystemImages } from "./system-images.ts";
import { prepareTools, tool } from "./tools.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Where the cluster of this checkout lives; containerd's content in it outlives `down`, so that images need not come again.
 * By its true path: a kubelet that starts again knows the volumes below its root by their mounts, and no mount has a link in its path.
 */
export const stateDir = join(existsSync(cacheDir) ? realpathSync(cacheDir) : cacheDir, "cluster");

/** Every daemon, in the order of starting; they are stopped the other way round. */
export const daemonNames = [
  "containerd",
  "registry",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "kubelet",
] as const;

export type DaemonName = (typeof daemonNames)[number];

const place = { stateDir, outlivesUs: true };
const specsFile = join(stateDir, "daemons.json");

/** Builds what is missing, then starts the cluster unless it is up; the node is Ready and DNS answers when it returns. */
export async function upOwnCluster(progress: Progress): Promise<{ readonly started: boolean }> {
  const program = await buildGoProgram(components, progress);
  const images = await buildSystemImages(progress);
  await prepareTools(progress);
  return await locked(async () => {
    if (daemonNames.every((name) => isDaemonAlive(stateDir, name))) return { started: false };
    if (existsSync(specsFile)) {
      progress("cleaning up what an earlier cluster left");
      await takeDown();
    }
    const started = performance.now();
    try {
      await bringUp(program, images);
    } catch (error) {
      await takeDown();
      throw error;
    }
    progress(`cluster is up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return { started: true };
  });
}

/** Ends every process, container, mount and interface of the cluster; logs stay in <state>/logs until the next start. */
export async function downOwnCluster(): Promise<void> {
  await locked(takeDown);
}

export function deadDaemons(): DaemonName[] {
  return daemonNames.filter((name) => !isDaemonAlive(stateDir, name));
}

/** Ends one daemon: asks it first, or with a grace of 0 ms kills it at once. */
export async function stopComponent(name: DaemonName, graceMs = 10_000): Promise<void> {
  await stopDaemon(stateDir, name, graceMs);
}

export function pauseComponent(name: DaemonName): void {
  pauseDaemon(stateDir, name);
}

export function resumeComponent(name: DaemonName): void {
  resumeDaemon(stateDir, name);
}

/** Starts one daemon as it was started before, and waits until it answers. */
export async function startComponent(name: DaemonName): Promise<void> {
  const spec = knownSpecs().find((candidate) => candidate.name === name);
  if (spec === undefined) throw new Error(`Cannot start "${name}": the components are ${daemonNames.join(", ")}`);
  if (!isDaemonAlive(stateDir, name)) startDaemon(spec, place);
  await waitForDaemon(stateDir, name);
}

/** What the running cluster, or the one that was not taken down, was started with. */
function knownSpecs(): DaemonSpec[] {
  return existsSync(specsFile) ? (JSON.parse(readFileSync(specsFile, "utf8")) as DaemonSpec[]) : [];
}

/** Puts the images of a docker or OCI archive on the node. */
export async function loadImage(archive: string): Promise<void> {
  if (!existsSync(archive)) throw new Error(`Cannot load image archive "${archive}": no such file`);
  await importImages(stateDir, archive);
}

async function locked<T>(action: () => Promise<T>): Promise<T> {
  mkdirSync(stateDir, { recursive: true });
  return await withFileLock(join(cacheDir, "cluster.lock"), 300_000, action);
}

/** It ends where containerd answers and its CRI plugin does not yet; a service manager would start it again. */
async function startKubelet(): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await startComponent("kubelet");
      return;
    } catch (error) {
      if (attempt === 3) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

async function bringUp(program: string, images: readonly string[]): Promise<void> {
  keepOlderLogs();
  if (containerdSocket(stateDir).length > 100) {
    throw new Error(
      `Cannot start the cluster: "${stateDir}" is too long a path for sockets in it; check out nearer to /`,
    );
  }
  // Written first: from here on, whoever comes next knows that there may be something to clean up.
  writeFileSync(specsFile, "[]");
  await createNodeNetwork(stateDir);
  writeContainerdConfig(stateDir, registryPort);
  const credentials = await createCredentials(stateDir, apiServerAddress);
  const specs = await prepareSpecs(program, credentials);
  writeFileSync(specsFile, JSON.stringify(specs, undefined, 2));
  const start = async (...names: DaemonName[]): Promise<void> => {
    await Promise.all(names.map((name) => startComponent(name)));
  };
  await Promise.all([
    start("containerd").then(() => importMissing(images)),
    start("registry", "etcd").then(() => start("kube-apiserver")),
  ]);
  await waitForApiServer(stateDir, apiServerAddress, 60_000);
  await Promise.all([start("kube-controller-manager", "kube-scheduler", "kube-proxy"), startKubelet(), applyDns()]);
  await waitForNode();
}

async function prepareSpecs(program: string, credentials: Credentials): Promise<DaemonSpec[]> {
  const dir = join(stateDir, "pki");
  const issue = (name: string, subject: string) => issueCertificate(dir, credentials.authority, { name, subject });
  const authority = await createAuthority(dir, "front-proxy-ca");
  const frontProxy = await issueCertificate(dir, authority, { name: "front-proxy", subject: `/CN=${frontProxyName}` });
  const clients = {
    kubelet: await issue("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    frontProxy: { ...frontProxy, authority },
  };
  const users = {
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    kubelet: `/O=system:nodes/CN=system:node:${nodeName}`,
  };
  for (const [name, subject] of Object.entries(users)) {
    const { certFile, keyFile } = await issue(name, subject);
    writeKubeconfig(join(stateDir, `${name}.kubeconfig`), {
      address: apiServerAddress,
      authorityFile: credentials.authority.certFile,
      user: { "client-certificate": certFile, "client-key": keyFile },
    });
  }
  return [
    containerdSpec(stateDir),
    registrySpec(stateDir),
    ...controlPlaneSpecs(stateDir, program, credentials, clients),
    kubeProxySpec(stateDir, program),
    kubeletSpec(stateDir, program, credentials.authority.certFile),
  ];
}

/** containerd keeps images between runs: an archive's name has its content's hash in it, so one import is enough. */
async function importMissing(archives: readonly string[]): Promise<void> {
  const listFile = join(stateDir, "containerd", "imported.json");
  const imported = existsSync(listFile) ? (JSON.parse(readFileSync(listFile, "utf8")) as string[]) : [];
  const names = archives.map((archive) => basename(archive));
  for (const archive of archives) {
    if (!imported.includes(basename(archive))) await importImages(stateDir, archive);
  }
  writeFileSync(listFile, JSON.stringify(names));
}

async function applyDns(): Promise<void> {
  const args = ["apply", "--server-side", "-f", "-"];
  await run(tool("kubectl"), args, { ...kubectlOptions(), input: JSON.stringify(clusterDnsObjects()) });
}

async function waitForNode(): Promise<void> {
  await waitUntil({ what: `node "${nodeName}" and DNS to be ready`, timeoutMs: 60_000, everyMs: 200 }, async () => {
    const path = { node: "{.status.conditions[?(@.type=='Ready')].status}", dns: "{.status.readyReplicas}" };
    const [node, dns] = await Promise.all([
      kubectl("get", "node", nodeName, "-o", `jsonpath=${path.node}`),
      kubectl("get", "deployment", "coredns", "-n", "kube-system", "-o", `jsonpath=${path.dns}`),
    ]);
    if (node === "True" && dns === "1") return true;
    throw new Error(`the node's Ready is "${node}", ready CoreDNS pods are "${dns === "" ? "0" : dns}"`);
  });
}

async function kubectl(...args: string[]): Promise<string> {
  return await run(tool("kubectl"), args, kubectlOptions());
}

function kubectlOptions(): { env: Record<string, string>; timeoutMs: number } {
  return { env: { KUBECONFIG: join(stateDir, "kubeconfig") }, timeoutMs: 30_000 };
}

async function takeDown(): Promise<void> {
  const graces: Partial<Record<DaemonName, number>> = { "kube-apiserver": 2000, etcd: 2000 };
  let containers: readonly string[] = [];
  for (const name of daemonNames.toReversed()) {
    if (name === "containerd" && knownSpecs().some((spec) => spec.name === name)) {
      // Containers outlive a containerd that was killed, and only it can end them.
      await startComponent(name);
      containers = await removeContainers(stateDir);
    }
    await stopDaemon(stateDir, name, graces[name] ?? 5000);
    if (name === "kube-proxy") await removeProxyRules();
  }
  await unmountBelow(stateDir);
  removeNetworkResults(networkName, containers);
  // Bridge, rules and cgroups have the same names for every checkout: those of a cluster that lives stay.
  if (!isNodeOfAnother(stateDir)) {
    await removeNodeNetwork();
    await removeKubeletChains();
    removePodCgroups();
  }
  removeLogLinks(stateDir);
  const perishable = [
    "etcd",
    "registry",
    "kubelet",
    "addresses",
    "pki",
    "pod-logs",
    "pids",
    "containerd/state",
    "containerd/runc",
  ];
  for (const name of perishable) rmSync(join(stateDir, name), { recursive: true, force: true });
  rmSync(join(stateDir, "kubeconfig"), { force: true });
  rmSync(specsFile, { force: true });
}

async function removeProxyRules(): Promise<void> {
  const proxy = knownSpecs().find((spec) => spec.name === "kube-proxy");
  if (proxy !== undefined) await run(proxy.command, [...proxy.args, "--cleanup"], { timeoutMs: 30_000 });
}

function keepOlderLogs(): void {
  const logs = join(stateDir, "logs");
  if (!existsSync(logs)) return;
  rmSync(`${logs}.previous`, { recursive: true, force: true });
  renameSync(logs, `${logs}.previous`);
}
