import { join } from "node:path";
import type { Cluster } from "../cluster/any-cluster.ts";
import { startCluster } from "../cluster/cluster.ts";
import { bridge } from "../cluster/node-network.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { buildProductImage, buildRuntimeImages, runtimeImages, type ProductImage, type RuntimeImage } from "./image.ts";
import { prepareCaller, type AwsCredentials } from "./caller.ts";
import { forwardRouter } from "./router-access.ts";

export const installNamespace = "kubelambda";
export const release = "kubelambda";
export const chart = join(repositoryRoot, "charts", "kubelambda");
/** A runtime whose image nobody can pull. */
export const absentRuntime = "ruby3.4";

export interface CommandOptions {
  readonly input?: string;
  /** Default 60,000. */
  readonly timeoutMs?: number;
}

/** kubelambda, installed from this checkout on a real cluster. */
export interface System {
  readonly cluster: Cluster;
  readonly image: ProductImage;
  /** `http://host:port` of the router's Service; another one after an uninstall. */
  readonly routerUrl: string;
  /** The chart's values of this installation. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Standard output; any other status than 0 is a RunError. */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<string>;
  helm(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** The chart once more, as it stands, with `values` and what stands over them. */
  install(more?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Of an account that may call every function and whose namespace is `default`; for AWS clients. */
  readonly credentials: AwsCredentials;
}

let prepared: Promise<System> | undefined;

/** Starts or reuses a cluster, brings the images and installs the chart, once a run. */
export function system(): Promise<System> {
  prepared ??= prepare();
  return prepared;
}

/** Takes down what system() started. */
export async function stopSystem(): Promise<void> {
  if (prepared === undefined) return;
  const started = await prepared.catch(() => undefined);
  await started?.cluster.stop();
}

export function progress(line: string): void {
  process.stderr.write(`    ${line}\n`);
}

async function prepare(): Promise<System> {
  const image = await buildProductImage(progress);
  const runtimes = await buildRuntimeImages(progress);
  const cluster = await startCluster({ progress });
  const command =
    (program: string) =>
    async (args: readonly string[], { input, timeoutMs = 60_000 }: CommandOptions = {}): Promise<string> =>
      await run(program, args, {
        cwd: repositoryRoot,
        env: { KUBECONFIG: cluster.kubeconfig },
        timeoutMs,
        ...(input !== undefined && { input }),
      });
  const kubectl = command(cluster.kubectl);
  const helm = command(cluster.helm);
  const archives = [...runtimes.values()].map(({ pinned, archive }) => [pinned, archive] as const);
  await loadImages(cluster, kubectl, new Map([...archives, [`${image.repository}:${image.tag}`, image.archive]]));
  const values = chartValues(image, runtimes, cluster);
  await enforceRestricted(kubectl, installNamespace);
  await enforceRestricted(kubectl, "default");
  let routerUrl = "";
  const install = async (more: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    await installChart(helm, { ...values, ...more });
    routerUrl = await findRouter(cluster, kubectl);
  };
  await install();
  const credentials = await prepareCaller(cluster, kubectl);
  return {
    ...{ cluster, image, values, kubectl, helm, install, credentials },
    get routerUrl() {
      return routerUrl;
    },
  };
}

type Command = System["kubectl"];

async function loadImages(cluster: Cluster, kubectl: Command, archives: ReadonlyMap<string, string>): Promise<void> {
  const there = await kubectl(["get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names}"]);
  for (const [image, archive] of archives) {
    if (!there.includes(`"${image}"`)) await cluster.loadImage(archive);
  }
}

/** Makes the namespace unless it is there; pods that are not restricted are refused in it. */
export async function enforceRestricted(kubectl: Command, namespace: string): Promise<void> {
  const labels = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
  };
  const manifest = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } };
  await kubectl(["apply", "--server-side", "--field-manager=e2e", "-f", "-"], { input: JSON.stringify(manifest) });
}

function chartValues(
  { repository, tag }: ProductImage,
  images: ReadonlyMap<string, RuntimeImage>,
  cluster: Cluster,
): Readonly<Record<string, unknown>> {
  const runtimes: Record<string, unknown> = { [absentRuntime]: { image: "localhost:1/absent/runtime:1" } };
  for (const [runtime, name] of Object.entries(runtimeImages)) runtimes[runtime] = { image: images.get(name)?.pinned };
  return {
    image: { repository, tag, pullPolicy: "IfNotPresent" },
    runtimes,
    environments: { idleTimeoutSeconds: 120, imageRecheckSeconds: 2 },
    router: { replicas: 2, environmentWaitSeconds: 25 },
    operator: { replicas: 2 },
    packages: {
      storage: { ephemeral: true, size: "1Gi" },
      // A test's own server is a pod: its address is one of the cluster's.
      urls: { allowedCIDRs: [cluster.kind === "own" ? "198.18.0.0/15" : "0.0.0.0/0"] },
      registries: { plainHTTPHosts: registryHosts(cluster) },
    },
  };
}

/** Where a test starts a registry that wants a password, on the node of the cluster that is built here. */
export const closedRegistryHost = `${bridge.address}:25001`;

/** An existing cluster may have none: then the tests of images say so. */
function registryHosts(cluster: Cluster): readonly string[] {
  try {
    return [cluster.registry.pullHost, closedRegistryHost];
  } catch {
    return [];
  }
}

async function installChart(helm: Command, values: Readonly<Record<string, unknown>>): Promise<void> {
  const args = ["upgrade", "--install", release, chart, "--namespace", installNamespace, "--values", "-"];
  const input = JSON.stringify(values);
  await helm([...args, "--wait", "--timeout", "150s"], { input, timeoutMs: 170_000 });
}

/** A Service's address answers from here on the cluster that is built here; elsewhere through a forwarded port. */
async function findRouter(cluster: Cluster, kubectl: Command): Promise<string> {
  if (cluster.kind !== "own") return await forwardRouter(cluster, installNamespace, `${release}-router`);
  const path = "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}";
  return `http://${await kubectl(["get", "service", `${release}-router`, "-n", installNamespace, "-o", path])}`;
}
