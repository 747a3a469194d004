import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GenericContainer, getContainerRuntimeClient, Network, type StartedTestContainer, Wait } from "testcontainers";
import type { Cluster } from "./any-cluster.ts";
import { registryName } from "./containerd.ts";
import { notOurs } from "./existing-cluster.ts";
import type { Progress } from "./go-program.ts";

export interface K3sOptions {
  readonly clients: Pick<Cluster, "kubectl" | "helm" | "aws">;
  readonly stateDir: string;
  readonly progress: Progress;
}

const k3sImage = "rancher/k3s:v1.34.2-k3s1";
const registryImage = "registry:2.8.3";
const apiPort = 6443;
const registryPort = 5000;

/** Starts k3s in Docker; undefined, after one line that says why, where Docker cannot pull or run it. */
export async function startK3s(options: K3sOptions): Promise<Cluster | undefined> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    await withDeadline(getContainerRuntimeClient(), 5000, "Docker did not answer");
    return await startContainers(options, stops, stop);
  } catch (error) {
    await stop();
    const [reason = "unknown"] = (error as Error).message.split("\n");
    options.progress(`no k3s (${reason}): using the cluster that test/cluster builds`);
    return undefined;
  }
}

async function startContainers(
  options: K3sOptions,
  stops: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<Cluster> {
  const network = await new Network().start();
  stops.push(() => network.stop());
  const registry = await new GenericContainer(registryImage)
    .withNetwork(network)
    .withNetworkAliases("registry")
    .withExposedPorts(registryPort)
    .withStartupTimeout(120_000)
    .start();
  stops.push(() => registry.stop());
  const k3s = await k3sContainer().withNetwork(network).start();
  stops.push(() => k3s.stop());
  const kubeconfig = join(options.stateDir, "k3s.kubeconfig");
  mkdirSync(options.stateDir, { recursive: true });
  writeFileSync(kubeconfig, await readKubeconfig(k3s), { mode: 0o600 });
  return {
    ...options.clients,
    ...notOurs("k3s"),
    kind: "k3s",
    kubeconfig,
    stateDir: options.stateDir,
    registry: {
      pushHost: `${registry.getHost()}:${registry.getMappedPort(registryPort)}`,
      pullHost: `${registryName}:${registryPort}`,
    },
    loadImage: (archive) => importImage(k3s, archive),
    stop,
  };
}

function k3sContainer(): GenericContainer {
  const mirrors = {
    mirrors: { [`${registryName}:${registryPort}`]: { endpoint: [`http://registry:${registryPort}`] } },
  };
  return new GenericContainer(k3sImage)
    .withPrivilegedMode()
    .withCommand(["server", "--disable=traefik,metrics-server", "--tls-san=localhost"])
    .withTmpFs({ "/run": "rw", "/var/run": "rw" })
    .withCopyContentToContainer([{ content: JSON.stringify(mirrors), target: "/etc/rancher/k3s/registries.yaml" }])
    .withExposedPorts(apiPort)
    .withWaitStrategy(Wait.forLogMessage(/Node controller sync successful/))
    .withStartupTimeout(180_000);
}

async function readKubeconfig(k3s: StartedTestContainer): Promise<string> {
  const { output } = await k3s.exec(["cat", "/etc/rancher/k3s/k3s.yaml"]);
  return output.replace(/server: .*/, `server: https://${k3s.getHost()}:${k3s.getMappedPort(apiPort)}`);
}

async function importImage(k3s: StartedTestContainer, archive: string): Promise<void> {
  const target = `/tmp/${basename(archive)}`;
  await k3s.copyFilesToContainer([{ source: archive, target }]);
  const { exitCode, output } = await k3s.exec(["ctr", "--namespace", "k8s.io", "images", "import", target]);
  await k3s.exec(["rm", "-f", target]);
  if (exitCode !== 0) throw new Error(`Cannot load image archive "${archive}" into k3s: ${output.trim()}`);
}

async function withDeadline<T>(work: Promise<T>, timeoutMs: number, reason: string): Promise<T> {
  const deadline = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: deadline.signal }).then(() => {
    throw new Error(`${reason} in ${timeoutMs} ms`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    deadline.abort();
  }
}
