/** A whole execution environment for a test: a real agent in this process, a real supervisor, and a runtime that the test writes. */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { routes } from "../../crds/wire/routes.ts";
import { formatPublicKey, signClaim } from "../../lib/http/signed-claim.ts";
import { parseAgentConfig } from "../../runtime-proxy/agent-config.ts";
import { startAgent, systemAgentDeps, type RunningAgent } from "../../runtime-proxy/agent.ts";
import { AnnouncementReceiver } from "./announcement-receiver.ts";
import { buildSupervisor } from "./build-supervisor.ts";
import { exchange, keptConnections, type Exchange } from "./exchange.ts";
import { descendantsOf, killIfAlive } from "./process-tree.ts";

export interface EnvironmentOptions {
  readonly document?: Partial<EnvironmentDocument>;
  /** File in the task directory → text; executable where it begins with `#!`. Without any, the test itself plays the runtime. */
  readonly files?: Readonly<Record<string, string | { readonly bytes: Uint8Array | string; readonly mode: number }>>;
  /** File in the layers directory → text, as above. */
  readonly layerFiles?: EnvironmentOptions["files"];
  /** Extension files that have a container, and so a supervisor, of their own. */
  readonly ownContainers?: readonly string[];
  /** Further variables of the agent. */
  readonly variables?: Readonly<Record<string, string>>;
  /** A folder that lies over /opt for all that the supervisor starts, in a mount namespace of its own with a pod's host names. Needs root. */
  readonly opt?: string;
  /** Does not wait until the environment is ready. */
  readonly isUnwatched?: boolean;
  /** A generic pod, which is nobody's: it fills its directories from that store, as that token's owner, once it is somebody's. */
  readonly waits?: { readonly packagesUrl: string; readonly token: string; readonly epoch?: number };
  /** Further routers to announce to. */
  readonly routerUrls?: readonly string[];
}

export interface InvokeOptions {
  readonly requestId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly claim?: string;
  readonly signal?: AbortSignal;
}

/** A process that says that it runs and then nothing: the test speaks the Runtime API in its place. */
export const silentRuntime = "#!/bin/sh\necho the runtime runs\nexec sleep 1000\n";
const outputLimitMs = 15_000;
export const arn = "arn:aws:lambda:eu-central-1:000000000001:function:probe";

/** The routers' and the operator's. */
export const { privateKey } = generateKeyPairSync("ed25519");

export class AgentEnvironment {
  readonly podUid = randomUUID();
  readonly router = new AnnouncementReceiver();
  readonly agentLog: string[] = [];
  readonly #connections = keptConnections();
  readonly #outputWaiting = new Set<() => void>();
  #output = "";
  #agent: RunningAgent | undefined;
  #supervisor: ChildProcess | undefined;
  /** Of the extensions that have one of their own, by file. */
  readonly extensionSupervisors = new Map<string, ChildProcess>();
  #folder = "";

  /** Starts everything and waits until the environment says that it is ready. */
  static async start(options: EnvironmentOptions = {}): Promise<AgentEnvironment> {
    const environment = new AgentEnvironment();
    await environment.#start(options);
    return environment;
  }

  get agent(): RunningAgent {
    if (this.#agent === undefined) throw new Error("Cannot use the agent: it is not started");
    return this.#agent;
  }

  get supervisor(): ChildProcess {
    if (this.#supervisor === undefined) throw new Error("Cannot use the supervisor: it is not started");
    return this.#supervisor;
  }

  get folder(): string {
    return this.#folder;
  }

  /** What `kubectl logs` would show of all containers. */
  get output(): string {
    return this.#output;
  }

  /** Waits until the output holds this text `times` times. */
  async printed(text: string, times = 1): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const look = (): void => {
      if (this.#output.split(text).length > times) resolve(undefined);
    };
    const fail = (): void => reject(new Error(`Cannot find "${text}" ${times} times in: ${this.#output}`));
    const timer = setTimeout(fail, outputLimitMs);
    this.#outputWaiting.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#outputWaiting.delete(look);
    }
  }

  claim(claim: { readonly podUid?: string; readonly expiresInSeconds?: number } = {}): string {
    const expiresAt = Math.floor(Date.now() / 1000) + (claim.expiresInSeconds ?? 60);
    return signClaim({ podUid: claim.podUid ?? this.podUid, expiresAt }, privateKey);
  }

  async invoke(payload: Uint8Array | string, options: InvokeOptions = {}): Promise<Exchange & { requestId: string }> {
    const requestId = options.requestId ?? randomUUID();
    const answer = await exchange(this.agent.address, routes.invocation(requestId), {
      method: "POST",
      headers: { authorization: `Bearer ${options.claim ?? this.claim()}`, ...options.headers },
      body: payload,
      agent: this.#connections,
      ...(options.signal && { signal: options.signal }),
    });
    return { ...answer, requestId };
  }

  async state(): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.claim()}` };
    return JSON.parse((await exchange(this.agent.address, routes.state, { headers })).body.toString());
  }

  /** As when the container of the runtime is gone: the kernel ends all that is in it. */
  crash(): void {
    killWithAllOf(this.supervisor);
  }

  /** Ends everything, whatever state it is in. */
  async stop(): Promise<void> {
    this.#connections.destroy();
    await Promise.all([this.supervisor, ...this.extensionSupervisors.values()].map(endSupervisor));
    await this.agent.stop();
    await this.agent.ended;
    await this.router.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(options: EnvironmentOptions): Promise<void> {
    const { document, files = {}, layerFiles = {}, ownContainers = [], variables, routerUrls = [], opt } = options;
    this.#folder = await mkdtemp(join(tmpdir(), "environment-"));
    const place = (name: string): string => join(this.#folder, name);
    const { waits } = options;
    const task = Object.keys(files).length === 0 && waits === undefined ? { bootstrap: silentRuntime } : files;
    for (const name of ["task", "layers", "runtime"]) await mkdir(place(name));
    for (const [name, file] of Object.entries(task)) await writeTaskFile(join(place("task"), name), file);
    for (const [name, file] of Object.entries(layerFiles)) await writeTaskFile(join(place("layers"), name), file);
    await writeFile(place("token"), "token-of-this-pod\n");
    await writeFile(place("packages-token"), waits?.token ?? "");
    const url = await this.router.listen();
    const extensionSockets = Object.fromEntries(ownContainers.map((file, n) => [file, place(`extension-${n + 1}`)]));
    const config = parseAgentConfig({
      KUBELAMBDA_ENVIRONMENT: JSON.stringify({ ...defaultDocument, ...document }),
      KUBELAMBDA_POD_UID: this.podUid,
      KUBELAMBDA_POD_IP: "127.0.0.1",
      KUBELAMBDA_AGENT_PORT: "0",
      KUBELAMBDA_RUNTIME_API: "127.0.0.1:0",
      KUBELAMBDA_ROUTER_URL: [url, ...routerUrls].join(","),
      KUBELAMBDA_ROUTER_KEYS: formatPublicKey(privateKey),
      KUBELAMBDA_TOKEN_FILE: place("token"),
      KUBELAMBDA_RUNTIME_SOCKET: place("socket"),
      KUBELAMBDA_EXTENSION_SOCKETS: JSON.stringify(extensionSockets),
      KUBELAMBDA_TASK_ROOT: place("task"),
      KUBELAMBDA_LAYERS_ROOT: opt === undefined ? place("layers") : "/opt",
      KUBELAMBDA_RUNTIME_ROOT: place("runtime"),
      ...(waits !== undefined && {
        KUBELAMBDA_ENVIRONMENT: "",
        KUBELAMBDA_EPOCH: String(waits.epoch ?? 0),
        KUBELAMBDA_PACKAGES_URL: waits.packagesUrl,
        KUBELAMBDA_PACKAGES_TOKEN_FILE: place("packages-token"),
        KUBELAMBDA_TERMINATION_LOG: place("termination-log"),
      }),
      ...variables,
    });
    await writeFile(place("termination-log"), "");
    this.#agent = await startAgent(config, { ...systemAgentDeps, writeLog: (line) => this.agentLog.push(line) });
    for (const [file, socket] of Object.entries(extensionSockets)) {
      this.extensionSupervisors.set(file, await this.#startSupervisor(socket, opt));
    }
    this.#supervisor = await this.#startSupervisor(place("socket"), opt);
    if (options.isUnwatched !== true && waits === undefined)
      await this.router.announced(({ init }) => init !== undefined);
  }

  async #startSupervisor(socket: string, opt: string | undefined): Promise<ChildProcess> {
    const env = { PATH: process.env["PATH"] ?? "", KUBELAMBDA_SOCKET: socket };
    const argv = await this.#supervisorArgv(opt);
    const supervisor = spawn(argv[0] ?? "", argv.slice(1), { env, stdio: ["ignore", "pipe", "inherit"] });
    supervisor.stdout.on("data", (chunk: Buffer) => {
      this.#output += chunk.toString();
      for (const look of this.#outputWaiting) look();
    });
    await once(supervisor, "spawn");
    return supervisor;
  }

  async #supervisorArgv(opt: string | undefined): Promise<readonly string[]> {
    const binary = await buildSupervisor();
    if (opt === undefined) return [binary];
    const hosts = join(this.#folder, "hosts");
    await writeFile(hosts, "127.0.0.1 localhost sandbox.localdomain sandbox\n");
    const mount = 'mount --bind "$1" /opt && mount --bind "$2" /etc/hosts && exec "$3"';
    return ["unshare", "--mount", "sh", "-c", mount, "sh", opt, hosts, binary];
  }
}

async function endSupervisor(supervisor: ChildProcess): Promise<void> {
  if (supervisor.exitCode !== null || supervisor.signalCode !== null) return;
  const closed = once(supervisor, "close");
  killWithAllOf(supervisor);
  await closed;
}

/** Killed like this a supervisor cannot take its processes with it. */
function killWithAllOf(supervisor: ChildProcess): void {
  const started = descendantsOf(supervisor.pid ?? 0);
  supervisor.kill("SIGKILL");
  for (const pid of started) killIfAlive(pid);
}

export const defaultDocument: EnvironmentDocument = {
  namespace: "default",
  functionName: "probe",
  functionUid: "5f0c1d6e-0000-4000-8000-000000000001",
  functionArn: arn,
  region: "eu-central-1",
  version: "$LATEST",
  revisionID: "revision-1",
  packageType: "Zip",
  runtime: "provided.al2023",
  handler: "index.handler",
  memorySize: 128,
  timeoutSeconds: 3,
  initTimeoutMs: 10_000,
  initializationType: "on-demand",
  logGroup: "/aws/lambda/probe",
  logFormat: "Text",
  variables: {},
  variablesFrom: {},
  code: "sha256:0000",
  layers: [],
};

async function writeTaskFile(
  path: string,
  file: string | { readonly bytes: Uint8Array | string; readonly mode: number },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (typeof file !== "string") {
    await writeFile(path, file.bytes);
    await chmod(path, file.mode);
    return;
  }
  await writeFile(path, file);
  await chmod(path, file.startsWith("#!") ? 0o755 : 0o644);
}
