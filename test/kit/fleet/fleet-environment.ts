/** One execution environment: a real agent in this process, a real supervisor, and a Node process that writes down when it runs what. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../lib/clock.ts";
import type { EnvironmentDocument } from "../../../crds/wire/environment.ts";
import { ports } from "../../../crds/wire/routes.ts";
import { parseAgentConfig } from "../../../runtime-proxy/agent-config.ts";
import { startAgent, systemAgentDeps, type RunningAgent } from "../../../runtime-proxy/agent.ts";
import { buildSupervisor } from "../build-supervisor.ts";
import { descendantsOf, killIfAlive } from "../process-tree.ts";
import { fleetRuntime } from "./fleet-runtime.ts";
import { monotonicMs } from "./run-record.ts";

export interface FleetEnvironmentOptions {
  readonly folder: string;
  readonly podUid: string;
  readonly epoch: number;
  readonly functionName: string;
  readonly functionUid: string;
  readonly revisionID: string;
  readonly version: string;
  readonly timeoutSeconds: number;
  readonly initializationType: EnvironmentDocument["initializationType"];
  /** Every run appends its line here. */
  readonly record: string;
  /** Where all routers are, as a headless Service shows them. */
  readonly routers: () => readonly string[];
  /** Of the pod. */
  readonly podIP: string;
  /** `formatPublicKey`. */
  readonly routerKey: string;
  readonly clock: Clock;
}

export class FleetEnvironment {
  readonly podUid: string;
  /** Resolves when it has ended, also by itself. */
  readonly ended: Promise<unknown>;
  /** When its function's processes were killed; absent: they were not. */
  killedAtMs: number | undefined;
  readonly #agent: RunningAgent;
  readonly #supervisor: ChildProcess;
  readonly #folder: string;

  private constructor(podUid: string, parts: { agent: RunningAgent; supervisor: ChildProcess; folder: string }) {
    this.podUid = podUid;
    this.ended = Promise.race([parts.agent.ended, once(parts.supervisor, "exit")]);
    this.#agent = parts.agent;
    this.#supervisor = parts.supervisor;
    this.#folder = parts.folder;
  }

  static async start(options: FleetEnvironmentOptions): Promise<FleetEnvironment> {
    const { podUid } = options;
    const folder = join(options.folder, podUid);
    const place = (name: string): string => join(folder, name);
    for (const name of ["task", "layers", "runtime"]) await mkdir(place(name), { recursive: true });
    await writeFile(join(place("task"), "bootstrap"), fleetRuntime(options), { mode: 0o755 });
    await writeFile(place("token"), podUid);
    const config = parseAgentConfig({
      KUBELAMBDA_ENVIRONMENT: JSON.stringify(documentOf(options)),
      KUBELAMBDA_POD_UID: podUid,
      KUBELAMBDA_POD_IP: options.podIP,
      KUBELAMBDA_RUNTIME_API: "127.0.0.1:0",
      KUBELAMBDA_EPOCH: String(options.epoch),
      KUBELAMBDA_ROUTER_URL: `http://routers.fleet.test:${ports.routerInternal}`,
      KUBELAMBDA_ROUTER_KEYS: options.routerKey,
      KUBELAMBDA_TOKEN_FILE: place("token"),
      KUBELAMBDA_RUNTIME_SOCKET: place("socket"),
      KUBELAMBDA_TASK_ROOT: place("task"),
      KUBELAMBDA_LAYERS_ROOT: place("layers"),
      KUBELAMBDA_RUNTIME_ROOT: place("runtime"),
    });
    const agent = await startAgent(config, {
      ...systemAgentDeps,
      clock: options.clock,
      writeLog: () => undefined,
      resolveHost: () => Promise.resolve(options.routers()),
    });
    const env = { PATH: process.env["PATH"] ?? "", KUBELAMBDA_SOCKET: place("socket") };
    const supervisor = spawn(await buildSupervisor(), [], { env, stdio: "ignore" });
    await once(supervisor, "spawn");
    return new FleetEnvironment(podUid, { agent, supervisor, folder });
  }

  /** kill -9 of the supervisor. */
  crash(): void {
    for (const pid of descendantsOf(this.#supervisor.pid ?? 0)) killIfAlive(pid);
    this.killedAtMs ??= monotonicMs();
    this.#supervisor.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    const ended = this.#agent.stop().catch(() => undefined);
    this.crash();
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function documentOf(options: FleetEnvironmentOptions): EnvironmentDocument {
  const { functionName, functionUid, revisionID, version, timeoutSeconds, initializationType } = options;
  return {
    namespace: "team",
    ...{ functionName, functionUid, revisionID, version, timeoutSeconds },
    functionArn: `arn:aws:lambda:us-east-1:000000000001:function:${functionName}`,
    region: "us-east-1",
    packageType: "Zip",
    runtime: "provided.al2023",
    handler: "index.handler",
    memorySize: 128,
    initTimeoutMs: 10_000,
    initializationType,
    logGroup: `/aws/lambda/${functionName}`,
    logFormat: "Text",
    variables: {},
    variablesFrom: {},
    code: "sha256:0000",
    layers: [],
  };
}
