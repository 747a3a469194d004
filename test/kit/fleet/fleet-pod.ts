/** The processes of one environment's pod: an agent, and a supervisor with its runtime. The end of either is the end of both. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { Pod } from "../../../operator/pod.ts";
import { buildSupervisor } from "../build-supervisor.ts";
import { descendantsOf } from "../process-tree.ts";
import { fleetRuntime } from "./fleet-runtime.ts";

const agentFile = fileURLToPath(new URL("./fleet-agent.ts", import.meta.url));

export interface FleetPodOptions {
  readonly pod: Stored<Pod>;
  readonly podIP: string;
  /** Of this pod alone. */
  readonly folder: string;
  readonly record: string;
  readonly routersFile: string;
  readonly holdFile: string;
}

export class FleetPod {
  readonly podUid: string;
  readonly podIP: string;
  readonly agent: ChildProcess;
  /** Exit status of the agent, as a kubelet tells it, once all processes of the pod have ended. */
  readonly ended: Promise<number>;
  readonly #supervisor: ChildProcess;

  private constructor(
    options: FleetPodOptions,
    { agent, supervisor }: { agent: ChildProcess; supervisor: ChildProcess },
  ) {
    this.podUid = options.pod.metadata.uid;
    this.podIP = options.podIP;
    this.agent = agent;
    this.#supervisor = supervisor;
    const ends = [agent, supervisor].map((process) => once(process, "close"));
    this.ended = Promise.all(ends).then(async () => {
      await rm(options.folder, { recursive: true, force: true });
      return agent.exitCode ?? 128 + 9;
    });
  }

  static async start(options: FleetPodOptions): Promise<FleetPod> {
    const { folder, pod, routersFile, record, holdFile } = options;
    const place = (name: string): string => join(folder, name);
    for (const name of ["task", "opt", "runtime", "control"]) await mkdir(place(name), { recursive: true });
    const { uid, namespace = "" } = pod.metadata;
    await writeFile(place("token"), uid);
    await writeFile(place("packages-token"), `${namespace}/default`);
    await writeFile(place("termination-log"), "");
    await writeFile(place("runtime/bootstrap"), fleetRuntime({ record, podUid: uid, holdFile }), { mode: 0o755 });
    const agent = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", agentFile, routersFile], {
      env: { ...variablesOf(options), ...placesOf(place), FLEET_LOG: process.env["FLEET_LOG"] },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const env = { PATH: process.env["PATH"] ?? "", KUBELAMBDA_SOCKET: place("control/socket") };
    const supervisor = spawn(await buildSupervisor(), [], { env, stdio: "ignore" });
    return new FleetPod(options, { agent, supervisor });
  }

  /** Its runtime has been started. */
  get hasRuntime(): boolean {
    return descendantsOf(this.#supervisor.pid ?? 0).length > 0;
  }

  /** kill -9 of the agent; its supervisor sees that it is gone. */
  kill(): void {
    this.agent.kill("SIGKILL");
  }

  /** As a kubelet ends a pod that is deleted: the grace period is as long as a test can wait. */
  async stop(graceMs: number): Promise<void> {
    this.agent.kill("SIGTERM");
    const late = setTimeout(() => {
      this.kill();
      this.#supervisor.kill("SIGKILL");
    }, graceMs);
    await this.ended;
    clearTimeout(late);
  }
}

/** As the kubelet fills them in. */
function variablesOf({ pod, podIP }: FleetPodOptions): Record<string, string> {
  const { metadata, spec } = pod;
  if (spec.initContainers !== undefined) throw new Error("Cannot run the pod: here agents fetch the code themselves");
  const fields: Readonly<Record<string, string>> = { "metadata.uid": metadata.uid, "status.podIP": podIP };
  const env = spec.containers.find(({ name }) => name === "agent")?.env ?? [];
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => {
      const path = valueFrom?.fieldRef?.fieldPath ?? "";
      const annotation = /^metadata\.annotations\['(.+)'\]$/.exec(path)?.[1] ?? "";
      return [name, value ?? fields[path] ?? metadata.annotations?.[annotation] ?? ""];
    }),
  );
}

/** Where a container would have its mounts. */
function placesOf(place: (name: string) => string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    KUBELAMBDA_RUNTIME_API: "127.0.0.1:0",
    KUBELAMBDA_TOKEN_FILE: place("token"),
    KUBELAMBDA_PACKAGES_TOKEN_FILE: place("packages-token"),
    KUBELAMBDA_RUNTIME_SOCKET: place("control/socket"),
    KUBELAMBDA_TASK_ROOT: place("task"),
    KUBELAMBDA_LAYERS_ROOT: place("opt"),
    KUBELAMBDA_RUNTIME_ROOT: place("runtime"),
    KUBELAMBDA_TERMINATION_LOG: place("termination-log"),
  };
}
