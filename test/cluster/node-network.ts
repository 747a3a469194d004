import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { podCidr, serviceCidr } from "./api-server.ts";
import { run } from "./run.ts";

/** The node's bridge: every pod hangs on it, and what pods must reach of the host listens on its address. */
export const bridge = { name: "kubelambda0", address: "198.18.0.1", podSubnet: "198.18.0.0/16" } as const;

const mark = ["-m", "comment", "--comment", "kubelambda-test"];

const rules: readonly { readonly table: string; readonly chain: string; readonly match: readonly string[] }[] = [
  // A machine with Docker drops what it forwards unless a rule says otherwise.
  { table: "filter", chain: "FORWARD", match: ["-i", bridge.name, ...mark, "-j", "ACCEPT"] },
  { table: "filter", chain: "FORWARD", match: ["-o", bridge.name, ...mark, "-j", "ACCEPT"] },
  // Pods reach the rest of the world under the node's address.
  {
    table: "nat",
    chain: "POSTROUTING",
    match: ["-s", podCidr, "!", "-d", podCidr, "!", "-o", bridge.name, ...mark, "-j", "MASQUERADE"],
  },
  // What kube-proxy has not translated (yet) is for nobody: outside, a stranger might answer. These come first, as they are inserted last.
  ...["OUTPUT", "FORWARD"].map((chain) => ({
    table: "filter",
    chain,
    match: ["-d", serviceCidr, ...mark, "-j", "REJECT"],
  })),
];

/** Makes the bridge with its address, and the few rules that let pods talk. `owner` is the cluster's state folder. */
export async function createNodeNetwork(owner: string): Promise<void> {
  if (hasBridge()) await removeLeftBridge();
  for (const cidr of [podCidr, serviceCidr]) await refuseTakenRange(cidr);
  await ip("link", "add", bridge.name, "type", "bridge");
  await ip("address", "add", `${bridge.address}/16`, "dev", bridge.name);
  await ip("link", "set", bridge.name, "up", "alias", owner);
  // The node itself reaches Services also where it has no route to the rest of the world.
  await ip("route", "add", serviceCidr, "dev", bridge.name);
  if (readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() !== "1")
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  for (const { table, chain, match } of rules) await iptables("-t", table, "-I", chain, ...match);
}

/** Whether the node's network is that of another checkout's cluster, and in use. `owner` is the own cluster's state folder. */
export function isNodeOfAnother(owner: string): boolean {
  if (!hasBridge()) return false;
  const other = ownerOfBridge();
  return other !== owner && other !== "" && hasProcesses(other);
}

function ownerOfBridge(): string {
  return readFileSync(`/sys/class/net/${bridge.name}/ifalias`, "utf8").trim();
}

/** A bridge whose cluster was killed without ever being taken down is in the way of the next; one that is in use is not ours to take. */
async function removeLeftBridge(): Promise<void> {
  const owner = ownerOfBridge();
  if (owner === "" || hasProcesses(owner)) {
    throw new Error(
      `Cannot start the cluster: the interface "${bridge.name}" exists, so one of another checkout is up (${owner}); ` +
        `take it down there, or remove what is left of it with "ip link delete ${bridge.name}"`,
    );
  }
  await removeNodeNetwork();
}

/** Whether a process has this folder on its command line, as every daemon of a cluster has its state folder. */
function hasProcesses(folder: string): boolean {
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(folder);
    } catch {
      return false;
    }
  });
}

/** Removes bridge and rules; what is not there is no fault. */
export async function removeNodeNetwork(): Promise<void> {
  if (hasBridge()) await ip("link", "delete", bridge.name);
  for (const { table, chain, match } of rules) {
    const isThere = await iptables("-t", table, "-C", chain, ...match).then(
      () => true,
      () => false,
    );
    if (isThere) await iptables("-t", table, "-D", chain, ...match);
  }
}

/** Removes the chains that a kubelet makes and never takes back. Another kubelet on this machine would make its own again. */
export async function removeKubeletChains(): Promise<void> {
  for (const command of ["iptables", "ip6tables"]) {
    const saved = await run(`${command}-save`, [], { timeoutMs: 10_000 });
    const own = kubeletRulesOf(saved);
    if (own !== "") await run(`${command}-restore`, ["--noflush", "-w", "5"], { timeoutMs: 10_000, input: own });
  }
}

/** Input for iptables-restore that deletes what iptables-save shows of a kubelet. Source: iptables-save(8), its format. */
function kubeletRulesOf(saved: string): string {
  const chains = /^:(KUBE-(?:IPTABLES-HINT|KUBELET-CANARY|FIREWALL)) /;
  const jump = /^-A (\S+ -j KUBE-FIREWALL)$/;
  const output: string[] = [];
  for (const table of saved.split(/^(?=\*)/m).filter((part) => part.startsWith("*"))) {
    const lines = table.split("\n");
    const names = lines.flatMap((line) => chains.exec(line)?.[1] ?? []);
    if (names.length === 0) continue;
    const jumps = lines.flatMap((line) => jump.exec(line)?.[1] ?? []).map((rule) => `-D ${rule}`);
    const removals = [...names.map((chain) => `-F ${chain}`), ...names.map((chain) => `-X ${chain}`)];
    output.push(lines[0] ?? "", ...jumps, ...removals, "COMMIT");
  }
  return output.length === 0 ? "" : `${output.join("\n")}\n`;
}

function hasBridge(): boolean {
  return existsSync(`/sys/class/net/${bridge.name}`);
}

async function refuseTakenRange(cidr: string): Promise<void> {
  const routes = await run("ip", ["route", "show", "root", cidr], { timeoutMs: 10_000 });
  if (routes.trim() !== "") {
    throw new Error(`Cannot start the cluster: addresses of ${cidr} are in use: ${routes.trim().split("\n")[0] ?? ""}`);
  }
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args, { timeoutMs: 10_000 });
}

async function iptables(...args: string[]): Promise<void> {
  await run("iptables", ["-w", "5", ...args], { timeoutMs: 10_000 });
}
