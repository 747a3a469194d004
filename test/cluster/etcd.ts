import { join } from "node:path";
import type { DaemonSpec } from "./daemon.ts";
import { run } from "./run.ts";

export interface EtcdPorts {
  readonly client: number;
  readonly peer: number;
}

/** One etcd for tests: it waits for no disk and, being alone, elects itself at once. */
export function etcdSpec(stateDir: string, ports: EtcdPorts): DaemonSpec {
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
    ],
  };
}

export function etcdUrl(ports: EtcdPorts): string {
  return `http://127.0.0.1:${ports.client}`;
}

/** Throws away every revision but the newest, as the API server does every 5 minutes; answers with that revision. */
export async function compactEtcd(ports: EtcdPorts): Promise<number> {
  const endpoint = `--endpoints=${etcdUrl(ports)}`;
  const options = { env: { ETCDCTL_API: "3" }, timeoutMs: 10_000 };
  const status = await run("etcdctl", [endpoint, "get", "/", "--keys-only", "--limit=1", "-w", "json"], options);
  const { header } = JSON.parse(status) as { header: { revision: number } };
  await run("etcdctl", [endpoint, "compact", "--physical", String(header.revision)], options);
  return header.revision;
}
