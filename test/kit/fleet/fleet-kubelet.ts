/** Runs every environment's pod that an operator makes as processes of this machine, and tells the API server what a kubelet would. */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { ENVIRONMENT_COMPONENT, labels } from "../../../crds/names.ts";
import { systemClock } from "../../../lib/clock.ts";
import type { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../../lib/kubernetes/object-cache.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { Pod } from "../../../operator/pod.ts";
import type { FleetNetwork } from "./fleet-network.ts";
import { FleetPod, type FleetPodOptions } from "./fleet-pod.ts";
import { monotonicMs } from "./run-record.ts";

export interface FleetKubeletParts extends Pick<FleetPodOptions, "record" | "routersFile" | "holdFile"> {
  readonly client: ApiServerClient;
  readonly network: FleetNetwork;
  readonly namespace: string;
  readonly folder: string;
}

const graceMs = 5000;

export class FleetKubelet {
  /** Pods whose processes run, by uid. */
  readonly running = new Map<string, FleetPod>();
  /** When all processes of a pod had ended, by the machine's monotonic clock. */
  readonly endedAtMs = new Map<string, number>();
  /** uid of every pod that ever was → uids of the functions whose it was by its label. */
  readonly functionsOf = new Map<string, Set<string>>();
  readonly #parts: FleetKubeletParts;
  readonly #cache: ObjectCache<Pod>;
  readonly #startedAt = new Date().toISOString();
  readonly #tasks = new Set<Promise<void>>();
  readonly #gone = new Set<string>();
  #isStopped = false;

  constructor(parts: FleetKubeletParts) {
    this.#parts = parts;
    this.#cache = new ObjectCache<Pod>({
      ...{ client: parts.client, clock: systemClock, kind: kinds.pod, namespace: parts.namespace },
      labelSelector: `${labels.component}=${ENVIRONMENT_COMPONENT}`,
      indexes: {},
      onError: () => undefined,
    });
    this.#cache.onChange(({ type, object }) => {
      if (type === "deleted") this.#run(this.#end(object));
      else this.#see(object);
    });
  }

  /** Pods as the API server has them. */
  get pods(): readonly Stored<Pod>[] {
    return this.#cache.list();
  }

  async start(): Promise<void> {
    this.#cache.start();
    await this.#cache.synced();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#cache.stop();
    await Promise.all([...this.running.values()].map((pod) => pod.stop(0)));
    await Promise.all(this.#tasks);
  }

  #see(pod: Stored<Pod>): void {
    const { uid } = pod.metadata;
    const isNew = !this.functionsOf.has(uid);
    const functions = this.functionsOf.get(uid) ?? new Set();
    const functionUid = pod.metadata.labels?.[labels.functionUid];
    if (functionUid !== undefined) functions.add(functionUid);
    this.functionsOf.set(uid, functions);
    if (isNew) this.#run(this.#begin(pod));
  }

  async #begin(pod: Stored<Pod>): Promise<void> {
    const { network, folder } = this.#parts;
    const podIP = network.newAddress();
    const own = await mkdtemp(join(folder, "p-"));
    const started = await FleetPod.start({ ...this.#parts, pod, podIP, folder: own });
    this.running.set(pod.metadata.uid, started);
    // It was on its way when it, or all others, were ended.
    if (this.#isStopped || this.#gone.has(pod.metadata.uid)) await started.stop(0);
    const running = { running: { startedAt: this.#startedAt } };
    await this.#tell(pod, { phase: "Running", podIP, podIPs: [{ ip: podIP }], ...statuses(running, running) });
    const exitCode = await started.ended;
    this.endedAtMs.set(pod.metadata.uid, monotonicMs());
    this.running.delete(pod.metadata.uid);
    network.freeAddress(podIP);
    const finishedAt = new Date().toISOString();
    const terminated = { terminated: { exitCode, reason: "Error", startedAt: this.#startedAt, finishedAt } };
    await this.#tell(pod, { phase: "Failed", ...statuses(terminated, terminated) });
  }

  async #end({ metadata }: Stored<Pod>): Promise<void> {
    this.#gone.add(metadata.uid);
    await this.running.get(metadata.uid)?.stop(graceMs);
  }

  /** A pod that is gone by now needs no status. */
  async #tell({ metadata: { namespace = "", name } }: Stored<Pod>, status: object): Promise<void> {
    const ref = { kind: kinds.pod, namespace, name };
    await this.#parts.client.patch(ref, { status }, { subresource: "status" }).catch(() => undefined);
  }

  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }
}

function statuses(agent: object, runtime: object): object {
  const base = { restartCount: 0, image: "x", imageID: "" };
  const status = (name: string, state: object) => ({ ...base, name, state, ready: "running" in state });
  return { containerStatuses: [status("agent", agent), status("runtime", runtime)] };
}
