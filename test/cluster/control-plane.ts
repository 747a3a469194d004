import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { apiServerArgs, type ApiServerAddress, createCredentials, waitForApiServer } from "./api-server.ts";
import { type DaemonSpec, pauseDaemon, resumeDaemon, startDaemon, stopDaemon } from "./daemon.ts";
import { compactEtcd, emptyEtcd, type EtcdPorts, etcdSpec, etcdUrl, fillEtcd } from "./etcd.ts";
import { freePorts } from "../../lib/free-ports.ts";
import { buildGoProgram, components, type Progress } from "./go-program.ts";
import { cacheDir } from "./paths.ts";

export type ControlPlaneComponent = "etcd" | "kube-apiserver";

export interface ControlPlaneOptions {
  /** More flags for kube-apiserver, e.g. "--min-request-timeout=2" (watches end after 2 to 4 s) or "--watch-cache=false". */
  readonly apiServerArgs?: readonly string[];
  /** More variables of kube-apiserver, e.g. GOGC. */
  readonly apiServerEnv?: Readonly<Record<string, string>>;
  /** Of etcd's database. Default: etcd's own, 2 GiB. */
  readonly etcdQuotaBytes?: number;
  /** Shows a line when something has to be built first; default: standard error. */
  readonly progress?: Progress;
}

/** A real API server on its own etcd: objects, CRDs, watches, RBAC, admission, but no controller, scheduler or node. */
export interface ControlPlane {
  /** Path; its user is an administrator. */
  readonly kubeconfig: string;
  readonly server: string;
  readonly stateDir: string;
  /** Ends both at once and removes the state folder; with `keep` the folder with its logs stays. May be called twice. */
  stop(options?: { readonly keep?: boolean }): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(component: ControlPlaneComponent): Promise<void>;
  /** SIGSTOP: it answers nobody and keeps its connections, until `resume`. */
  pause(component: ControlPlaneComponent): void;
  resume(component: ControlPlaneComponent): void;
  /** Starts it again on the same port and data, and waits until the API server is ready. */
  start(component: ControlPlaneComponent): Promise<void>;
  /**
   * Compacts etcd; answers with the revision that is left. A watch from before it gets 410 once the API server has
   * forgotten too: after kill and start, or when it runs with "--watch-cache=false".
   */
  compact(): Promise<number>;
  /** Uses etcd's quota up: no write is taken until `emptyEtcd`. */
  fillEtcd(): Promise<void>;
  emptyEtcd(): Promise<void>;
}

const readyTimeoutMs = 60_000;

/** Starts etcd and kube-apiserver on free ports of 127.0.0.1; several may run at once, and they end with this process. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const progress = options.progress ?? ((line) => void process.stderr.write(`${line}\n`));
  const program = await buildGoProgram(components, progress);
  // Another process may take a free port before we do: then the others are tried.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(program, options);
    } catch (error) {
      if (attempt === 3 || !(error as Error).message.includes("address already in use")) throw error;
    }
  }
}

async function startOnce(
  program: string,
  { apiServerArgs: moreArgs = [], apiServerEnv: env = {}, etcdQuotaBytes }: ControlPlaneOptions,
): Promise<ControlPlane> {
  mkdirSync(join(cacheDir, "control-planes"), { recursive: true });
  const stateDir = mkdtempSync(join(cacheDir, "control-planes", "cp-"));
  const [client = 0, peer = 0, port = 0] = await freePorts(3);
  const ports: EtcdPorts = { client, peer };
  const address: ApiServerAddress = { host: "127.0.0.1", port };
  const credentials = await createCredentials(stateDir, address);
  const specs: Record<ControlPlaneComponent, DaemonSpec> = {
    etcd: etcdSpec(stateDir, ports, etcdQuotaBytes),
    "kube-apiserver": {
      name: "kube-apiserver",
      command: program,
      args: [
        "kube-apiserver",
        ...apiServerArgs(credentials, address, etcdUrl(ports)),
        // Nobody makes default accounts, and nobody reaches this server through a Service.
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        ...moreArgs,
      ],
      env,
    },
  };
  const place = { stateDir, outlivesUs: false };
  const stopAll = async (): Promise<void> => {
    await Promise.all(Object.keys(specs).map((name) => stopDaemon(stateDir, name, 0)));
  };
  try {
    startDaemon(specs.etcd, place);
    startDaemon(specs["kube-apiserver"], place);
    await waitForApiServer(stateDir, address, readyTimeoutMs);
  } catch (error) {
    await stopAll();
    throw error;
  }
  return {
    kubeconfig: credentials.kubeconfig,
    server: `https://${address.host}:${address.port}`,
    stateDir,
    kill: (component) => stopDaemon(stateDir, component, 0),
    pause: (component) => pauseDaemon(stateDir, component),
    resume: (component) => resumeDaemon(stateDir, component),
    start: async (component) => {
      startDaemon(specs[component], place);
      await waitForApiServer(stateDir, address, readyTimeoutMs);
    },
    compact: () => compactEtcd(ports),
    fillEtcd: () => fillEtcd(ports),
    emptyEtcd: () => emptyEtcd(ports),
    stop: async ({ keep = false } = {}) => {
      await stopAll();
      if (!keep) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
