import { join } from "node:path";
import type { DaemonSpec } from "./daemon.ts";
import { run } from "./run.ts";

export interface EtcdPorts {
  readonly client: number;
  readonly peer: number;
}

/** One etcd for tests: it waits for no disk and, being alone, elects itself at once. `quotaBytes`: of its database; default etcd's own, 2 GiB. */
export function etcdSpec(stateDir: string, ports: EtcdPorts, quotaBytes?: number): DaemonSpec {
  const clientUrl = etcdUrl(ports);
  const peerUrl = `http://127.0.0.1:${ports.peer}`;
  return {
    name: "etcd",
    command: "etcd",
    args: [
      "--name=test",
      `--data-dir=${join(stateDir, "etcd")}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=test=${peerUrl}`,
      "--unsafe-no-fsync",
      "--heartbeat-interval=20",
      "--election-timeout=200",
      "--logger=zap",
      ...(quotaBytes === undefined ? [] : [`--quota-backend-bytes=${quotaBytes}`]),
    ],
  };
}

export function etcdUrl(ports: EtcdPorts): string {
  return `http://127.0.0.1:${ports.client}`;
}

/** Throws away every revision but the newest, as the API server does every 5 minutes; answers with that revision. */
export async function compactEtcd(ports: EtcdPorts): Promise<number> {
  const status = await etcdctl(ports, ["get", "/", "--keys-only", "--limit=1", "-w", "json"]);
  const { header } = JSON.parse(status) as { header: { revision: number } };
  await etcdctl(ports, ["compact", "--physical", String(header.revision)]);
  return header.revision;
}

const fillerPrefix = "/filler/";
/** Of one value; a request may have 1.5 MiB. */
const fillerBytes = 1024 * 1024;
const mostFillers = 2048;

/** Writes until the quota is used up: from then on etcd takes no write (alarm NOSPACE). */
export async function fillEtcd(ports: EtcdPorts): Promise<void> {
  const value = "x".repeat(fillerBytes);
  for (let number = 0; number < mostFillers; number += 1) {
    try {
      await etcdctl(ports, ["put", `${fillerPrefix}${number}`], value);
    } catch (error) {
      if (String(error).includes("database space exceeded")) return;
      throw error;
    }
  }
  throw new Error(`Cannot fill etcd: it took ${mostFillers} MiB`);
}

/** As an administrator gives it room again. Source: etcd documentation, "Space quota". */
export async function emptyEtcd(ports: EtcdPorts): Promise<void> {
  await etcdctl(ports, ["del", "--prefix", fillerPrefix]);
  await compactEtcd(ports);
  await etcdctl(ports, ["defrag"]);
  await etcdctl(ports, ["alarm", "disarm"]);
}

async function etcdctl(ports: EtcdPorts, args: readonly string[], input?: string): Promise<string> {
  return await run("etcdctl", [`--endpoints=${etcdUrl(ports)}`, ...args], {
    ...{ env: { ETCDCTL_API: "3" }, timeoutMs: 10_000 },
    ...(input !== undefined && { input }),
  });
}
