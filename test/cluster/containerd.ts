import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DaemonSpec } from "./daemon.ts";
import { bridge } from "./node-network.ts";
import { RunError, run } from "./run.ts";
import { waitUntil } from "./wait-until.ts";

export const pauseImage = "kubelambda.test/pause:1";

export const networkName = "kubelambda-test";

/** Name by which the node pulls from the registry of the cluster. */
export const registryName = "registry.kubelambda.test";

export function containerdSocket(stateDir: string): string {
  return join(stateDir, "containerd.sock");
}

/** Writes the configuration of containerd and of the pods' network; `registryPort` is the plain-HTTP registry's on the bridge. */
export function writeContainerdConfig(stateDir: string, registryPort: number): void {
  const dir = join(stateDir, "containerd");
  const certs = join(dir, "certs.d", `${registryName}:${registryPort}`);
  const cni = join(dir, "cni");
  for (const folder of [certs, cni]) mkdirSync(folder, { recursive: true });
  const registryUrl = `http://${bridge.address}:${registryPort}`;
  const hosts = `server = "${registryUrl}"\n[host."${registryUrl}"]\n  capabilities = ["pull", "resolve"]\n`;
  writeFileSync(join(certs, "hosts.toml"), hosts);
  writeFileSync(join(cni, "10-kubelambda.conflist"), JSON.stringify(podNetwork(stateDir), undefined, 2));
  writeFileSync(join(dir, "config.toml"), containerdConfig(stateDir));
}

export function containerdSpec(stateDir: string): DaemonSpec {
  return { name: "containerd", command: "containerd", args: ["--config", join(stateDir, "containerd", "config.toml")] };
}

/** Puts the images of a docker or OCI archive on the node, under the names in it. */
export async function importImages(stateDir: string, archive: string): Promise<void> {
  await ctr(stateDir, ["images", "import", archive]);
}

/** Ends and removes every container, however it came here; answers with their ids. */
export async function removeContainers(stateDir: string): Promise<readonly string[]> {
  const removed = new Set<string>();
  // A container that ends by itself meanwhile makes ctr fail halfway: the next look finds it gone.
  await waitUntil({ what: "all containers to be removed", timeoutMs: 30_000, everyMs: 200 }, async () => {
    const tasks = words(await ctr(stateDir, ["tasks", "list", "--quiet"]));
    await Promise.all(tasks.map((id) => ignoreGone(ctr(stateDir, ["tasks", "delete", "--force", id]))));
    const containers = words(await ctr(stateDir, ["containers", "list", "--quiet"]));
    for (const id of containers) removed.add(id);
    await Promise.all(containers.map((id) => ignoreGone(ctr(stateDir, ["containers", "delete", id]))));
    return true;
  });
  return [...removed];
}

async function ctr(stateDir: string, args: readonly string[]): Promise<string> {
  const where = ["--address", containerdSocket(stateDir), "--namespace", "k8s.io"];
  return await run("ctr", [...where, ...args], { timeoutMs: 120_000 });
}

async function ignoreGone(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error: unknown) => {
    if (!(error instanceof RunError && error.output.includes("not found"))) throw error;
  });
}

function words(output: string): string[] {
  return output.split(/\s+/).filter((word) => word !== "");
}

function podNetwork(stateDir: string): object {
  return {
    cniVersion: "0.4.0",
    name: networkName,
    plugins: [
      {
        type: "bridge",
        bridge: bridge.name,
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: join(stateDir, "addresses"),
          ranges: [[{ subnet: bridge.podSubnet, rangeStart: "198.18.0.10", gateway: bridge.address }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

/** oom scores are left alone and AppArmor is off, since neither can be relied on inside a virtual machine or container. */
function containerdConfig(stateDir: string): string {
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  const dir = join(stateDir, "containerd");
  return `version = 2
root = "${join(dir, "root")}"
state = "${join(dir, "state")}"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "${containerdSocket(stateDir)}"

[${cri}]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true

[${cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "${join(dir, "runc")}"

[${cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${join(dir, "cni")}"

[${cri}.registry]
  config_path = "${join(dir, "certs.d")}"
`;
}
