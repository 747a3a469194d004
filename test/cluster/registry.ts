import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DaemonSpec } from "./daemon.ts";
import { bridge } from "./node-network.ts";

export const registryPort = 25000;

/** A registry without TLS on the bridge's address; what is pushed stays until the cluster goes down. */
export function registrySpec(stateDir: string): DaemonSpec {
  const storage = join(stateDir, "registry");
  mkdirSync(storage, { recursive: true });
  const config = {
    version: "0.1",
    log: { accesslog: { disabled: true }, level: "info" },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: `${bridge.address}:${registryPort}` },
  };
  const configFile = join(stateDir, "registry.yml");
  writeFileSync(configFile, JSON.stringify(config));
  return { name: "registry", command: "docker-registry", args: ["serve", configFile] };
}
