import { existsSync, readFileSync, writeFileSync } from "node:fs";
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
];

/** Makes the bridge with its address, and the few rules that let pods talk. */
export async function createNodeNetwork(): Promise<void> {
  if (hasBridge()) {
    throw new Error(
      `Cannot start the cluster: the interface "${bridge.name}" exists, so one of another checkout is up; ` +
        `take it down there, or remove what is left of it with "ip link delete ${bridge.name}"`,
    );
  }
  for (const cidr of [podCidr, serviceCidr]) await refuseTakenRange(cidr);
  await ip("link", "add", bridge.name, "type", "bridge");
  await ip("address", "add", `${bridge.address}/16`, "dev", bridge.name);
  await ip("link", "set", bridge.name, "up");
  if (readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() !== "1")
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  for (const { table, chain, match } of rules) await iptables("-t", table, "-I", chain, ...match);
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
