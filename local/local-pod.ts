/** One pod of ours as processes: assemble, then the agent, then runtime and extensions, each under a TypeScript supervisor of its own. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "../lib/logger.ts";
import { environmentDocumentSchema, type EnvironmentDocument } from "../crds/wire/environment.ts";
import { places } from "../crds/wire/places.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import { assemble } from "../runtime-proxy/assemble.ts";
import { tellFetchMs } from "../runtime-proxy/assembled.ts";
import { Child } from "./child.ts";
import { fileSystemProblem, type WantedFileSystem } from "./file-systems.ts";
import type { LocalIdentity } from "./identity.ts";
import type { Bind, Isolation } from "./isolation.ts";
import { containerVariables, hostPath, makeVolumes, MissingValueError } from "./pod-files.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { containerOf, type Container, type ContainerState, type PodObject, type PodStatus } from "./pod.ts";
import type { Runtimes } from "./runtimes.ts";

/** Where the code of this program stands inside a true-paths environment, whose /tmp hides the machine's. */
const inside = {
  program: "/var/kubelambda/program",
  node: "/var/kubelambda/node",
  control: "/var/kubelambda/control",
} as const;

/** Between two looks for a Secret or ConfigMap that is missing. */
const lookAgainMs = 500;

export interface LocalPodOptions {
  readonly client: KubernetesClient;
  readonly identity: LocalIdentity;
  readonly isolation: Isolation;
  readonly runtimes: Runtimes;
  /** Name of a PersistentVolumeClaim → the folder that stands for it. */
  readonly fileSystems: ReadonlyMap<string, string>;
  readonly log: Logger;
  /** Root of the program's files, and from there the processes' entry points. */
  readonly program: { readonly root: string; readonly agent: string; readonly supervisor: string };
  /** A line that the function or its runtime wrote. */
  readonly onOutput: (functionName: string, line: string) => void;
  readonly pod: Stored<PodObject>;
  /** Of this pod alone. */
  readonly directory: string;
}

export class LocalPod {
  readonly #options: LocalPodOptions;
  readonly #children = new Map<string, Child>();
  #ending: Promise<void> | undefined;
  #status: PodStatus = { phase: "Pending" };
  isDone = false;

  constructor(options: LocalPodOptions) {
    this.#options = options;
  }

  isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Runs the pod to its end; the end of any container is the end of all. */
  async run(): Promise<void> {
    const { pod, directory, identity, runtimes, fileSystems } = this.#options;
    const document = environmentDocumentSchema.parse(
      JSON.parse(pod.metadata.annotations?.["kubelambda.dev/environment"] ?? "null"),
    );
    const runtime = await runtimes.prepare(document.runtime ?? "provided");
    if (!runtime.ok) {
      await this.#report("Pending", { runtime: { waiting: { reason: "ErrImagePull", message: runtime.message } } });
      this.isDone = true;
      return;
    }
    const problem = fileSystemProblem(wantedFileSystems(pod), this.#options);
    if (problem !== undefined) {
      const waiting = { reason: "CreateContainerConfigError", message: problem };
      await this.#report("Pending", { runtime: { waiting } });
      this.isDone = true;
      return;
    }
    await makeVolumes({ pod, directory, identity, fileSystems });
    const variables = await this.#agentVariables();
    if (variables === undefined) return;
    const agent = this.#startAgent(document, runtime.directory, variables);
    if (!(await this.#assemble(document))) {
      await this.end(0);
      return;
    }
    if (this.isEnding()) return;
    const supervised = pod.spec.containers.filter(({ name }) => name !== "agent");
    const children = [agent];
    for (const container of supervised)
      children.push(await this.#startSupervised(container, document, runtime.directory));
    const names = ["agent", ...supervised.map(({ name }) => name)];
    const ended = children.map(async (child, index) => [names[index] ?? "", await child.ended] as const);
    const running: ContainerState = { running: { startedAt: new Date().toISOString() } };
    await this.#report("Running", Object.fromEntries(names.map((name) => [name, running])));
    const [name, exitCode] = await Promise.race(ended);
    if (!this.isEnding()) {
      const reason = exitCode === 0 ? "Completed" : "Error";
      await this.#report(exitCode === 0 ? "Succeeded" : "Failed", { [name]: { terminated: { exitCode, reason } } });
    }
    await this.end(0);
  }

  /** SIGTERM to the agent, which drains; after the grace time SIGKILL to everything. Every call waits for the same end. */
  end(graceMs: number): Promise<void> {
    this.#ending ??= this.#end(graceMs);
    return this.#ending;
  }

  async #end(graceMs: number): Promise<void> {
    const agent = this.#children.get("agent");
    if (graceMs > 0 && agent?.isRunning === true) {
      agent.terminate();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
      await Promise.race([agent.ended, late]);
      clearTimeout(timer);
    }
    // Runtime and extensions before their agent: they would complain about a lost connection.
    for (const child of [...this.#children.values()].toReversed()) child.kill();
    await Promise.all([...this.#children.values()].map((child) => child.ended));
    await rm(this.#options.directory, { recursive: true, force: true });
    this.isDone = true;
  }

  async #assemble(document: EnvironmentDocument): Promise<boolean> {
    const { pod, directory } = this.#options;
    const container = containerOf(pod, "assemble");
    const variables = await containerVariables({ ...this.#options, container });
    const onHost = (path: string): string => hostPath(container, directory, path);
    try {
      const { totalMs } = await assemble({
        environment: document,
        packagesUrl: variables["KUBELAMBDA_PACKAGES_URL"] ?? "",
        readToken: () => readFile(onHost(places.packagesToken), "utf8"),
        taskDirectory: onHost(places.task),
        layersDirectory: onHost(places.layers),
      });
      tellFetchMs(onHost(places.control), totalMs);
      return true;
    } catch (error) {
      if (this.isEnding()) return false;
      const message = error instanceof Error ? error.message : String(error);
      await this.#report("Failed", { assemble: { terminated: { exitCode: 1, reason: "Error", message } } });
      return false;
    }
  }

  /** As a kubelet, looks again while one cannot be filled in, and says so; undefined when the pod is ended meanwhile. */
  async #agentVariables(): Promise<Record<string, string> | undefined> {
    const container = containerOf(this.#options.pod, "agent");
    while (!this.isEnding()) {
      try {
        return await containerVariables({ ...this.#options, container });
      } catch (error) {
        if (!(error instanceof MissingValueError)) throw error;
        const waiting = { reason: "CreateContainerConfigError", message: error.message };
        await this.#report("Pending", { agent: { waiting } });
        await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
      }
    }
    return undefined;
  }

  #startAgent(
    document: EnvironmentDocument,
    runtimeRoot: string | undefined,
    variables: Readonly<Record<string, string>>,
  ): Child {
    const { pod, directory, isolation, program, log } = this.#options;
    const container = containerOf(pod, "agent");
    const onHost = (path: string): string => hostPath(container, directory, path);
    const sockets = { KUBELAMBDA_RUNTIME_SOCKET: onHost(places.socket), ...hostSockets(variables, onHost) };
    const token = { KUBELAMBDA_TOKEN_FILE: onHost(places.routerToken) };
    const runtimeContainer = containerOf(pod, "runtime");
    const roots = isolation.truePaths
      ? {}
      : {
          KUBELAMBDA_TASK_ROOT: hostPath(runtimeContainer, directory, places.task),
          KUBELAMBDA_LAYERS_ROOT: hostPath(runtimeContainer, directory, places.layers),
          KUBELAMBDA_RUNTIME_ROOT: runtimeRoot ?? "/var/runtime",
        };
    // Environments share this machine's loopback: each takes ports of its own.
    const ports = { KUBELAMBDA_AGENT_PORT: "0", KUBELAMBDA_RUNTIME_API: "127.0.0.1:0" };
    return this.#start(
      "agent",
      [process.execPath, join(program.root, program.agent)],
      { ...variables, ...sockets, ...token, ...roots, ...ports },
      (line) => log.debug(line, { kind: "Pod", name: pod.metadata.name, function: document.functionName }),
    );
  }

  /** Of runtime and extensions alike: where the kernel grants namespaces, none sees another's processes or socket. */
  async #startSupervised(
    container: Container,
    document: EnvironmentDocument,
    runtimeRoot: string | undefined,
  ): Promise<Child> {
    const { directory, isolation, program, onOutput } = this.#options;
    const variables = await containerVariables({ ...this.#options, container });
    const root = join(directory, `root-${container.name}`);
    await mkdir(root, { recursive: true });
    const socket = variables["KUBELAMBDA_SOCKET"] ?? "";
    const bind = (from: string, to: string, readOnly = true): Bind => ({ from, to, readOnly });
    const binds = [
      bind(hostPath(container, directory, places.task), places.task),
      bind(hostPath(container, directory, places.layers), places.layers),
      bind(hostPath(container, directory, "/tmp"), "/tmp", false),
      ...wantedFileSystems(this.#options.pod).map(({ mountPath }) =>
        bind(hostPath(container, directory, mountPath), mountPath, false),
      ),
      ...(runtimeRoot === undefined ? [] : [bind(runtimeRoot, "/var/runtime")]),
      bind(program.root, inside.program),
      bind(dirname(process.execPath), inside.node),
      bind(dirname(socket), inside.control),
    ];
    const argv = isolation.truePaths
      ? isolation.wrap({ root, binds, argv: [`${inside.node}/node`, `${inside.program}/${program.supervisor}`] })
      : [process.execPath, join(program.root, program.supervisor)];
    const env = {
      ...variables,
      PATH: process.env["PATH"],
      KUBELAMBDA_SOCKET: isolation.truePaths ? `${inside.control}/agent.sock` : socket,
      ...(!isolation.truePaths && { TMPDIR: hostPath(container, directory, "/tmp") }),
    };
    return this.#start(container.name, argv, env, (line) => onOutput(document.functionName, line));
  }

  #start(
    name: string,
    argv: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
    onLine: (line: string) => void,
  ): Child {
    const child = new Child({ argv, env, onLine });
    this.#children.set(name, child);
    // Ended between two steps: what was started after that must go, too.
    if (this.isEnding()) child.kill();
    return child;
  }

  /** Writes the pod's status as a kubelet would; a pod that is gone by now needs none. */
  async #report(phase: PodStatus["phase"], states: Readonly<Record<string, ContainerState>>): Promise<void> {
    const { client, pod } = this.#options;
    const statuses = (containers: PodObject["spec"]["containers"], before: PodStatus["containerStatuses"]) =>
      containers.flatMap(({ name, image = "" }) => {
        const state = states[name] ?? before?.find((status) => status.name === name)?.state;
        return state === undefined ? [] : [{ name, image, state, ready: "running" in state, restartCount: 0 }];
      });
    this.#status = {
      phase,
      podIP: "127.0.0.1",
      initContainerStatuses: statuses(pod.spec.initContainers ?? [], this.#status.initContainerStatuses),
      containerStatuses: statuses(pod.spec.containers, this.#status.containerStatuses),
    };
    const ref = { kind: kinds.pod, namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name };
    await client.patch(ref, { status: this.#status }, { subresource: "status" }).catch(() => undefined);
  }
}

function wantedFileSystems(pod: PodObject): readonly WantedFileSystem[] {
  const { volumeMounts = [] } = containerOf(pod, "runtime");
  return (pod.spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim }) => {
    const mount = volumeMounts.find((candidate) => candidate.name === name);
    if (persistentVolumeClaim === undefined || mount === undefined) return [];
    return [{ claimName: persistentVolumeClaim.claimName, mountPath: mount.mountPath }];
  });
}

const socketsVariable = "KUBELAMBDA_EXTENSION_SOCKETS";

/** The agent's variable that maps extensions to sockets, with this machine's paths. */
function hostSockets(
  variables: Readonly<Record<string, string>>,
  toHost: (path: string) => string,
): Record<string, string> {
  const text = variables[socketsVariable];
  if (text === undefined) return {};
  const sockets = JSON.parse(text) as Readonly<Record<string, string>>;
  const onHost = Object.entries(sockets).map(([file, path]) => [file, toHost(path)] as const);
  return { [socketsVariable]: JSON.stringify(Object.fromEntries(onHost)) };
}
