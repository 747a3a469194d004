/** Stands for scheduler and kubelet: runs each pod of the object store as processes of this machine. */
import { join } from "node:path";
import { mkdir, rm } from "node:fs/promises";
import type { Stored } from "../lib/kubernetes/object.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { LocalPod, type LocalPodOptions } from "./local-pod.ts";
import type { ObjectStore } from "./object-store.ts";
import type { PodObject } from "./pod.ts";

export interface PodRunnerOptions extends Omit<LocalPodOptions, "pod" | "directory"> {
  readonly store: ObjectStore;
  /** Short, since socket paths hold about 100 characters; emptied pod by pod. */
  readonly stateDirectory: string;
}

const defaultGraceSeconds = 30;

export class PodRunner {
  readonly #options: PodRunnerOptions;
  readonly #pods = new Map<string, LocalPod>();
  readonly #ending = new AbortController();
  #watching: Promise<void> | undefined;
  #lastNumber = 0;

  constructor(options: PodRunnerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#watching = this.#watch();
  }

  /** Ends every pod, the running invocations with it, and all their processes. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#watching;
    await Promise.all([...this.#pods.values()].map((pod) => pod.end(0)));
    this.#pods.clear();
  }

  async #watch(): Promise<void> {
    const { store, log } = this.#options;
    try {
      const watch = store.watch<PodObject>(kinds.pod, { resourceVersion: "1", signal: this.#ending.signal });
      for await (const event of watch) {
        if (event.type === "BOOKMARK") continue;
        if (event.type === "DELETED") this.#forget(event.object);
        else if (event.object.metadata.deletionTimestamp !== undefined) this.#end(event.object);
        else if (!this.#pods.has(event.object.metadata.uid)) this.#begin(event.object);
      }
    } catch (error) {
      if (!this.#ending.signal.aborted)
        log.error("Cannot watch pods: local mode cannot go on", { error: String(error) });
    }
  }

  #begin(pod: Stored<PodObject>): void {
    const directory = join(this.#options.stateDirectory, String(++this.#lastNumber));
    const local = new LocalPod({ ...this.#options, pod, directory });
    this.#pods.set(pod.metadata.uid, local);
    void this.#run(local, pod, directory);
  }

  async #run(local: LocalPod, pod: Stored<PodObject>, directory: string): Promise<void> {
    const { store, log } = this.#options;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await store.patch(refOf(pod), { spec: { nodeName: "local" } });
      await local.run();
    } catch (error) {
      log.warn("Cannot run pod", {
        kind: "Pod",
        namespace: pod.metadata.namespace ?? "default",
        name: pod.metadata.name,
        error: String(error),
      });
    } finally {
      if (local.isDone) await rm(directory, { recursive: true, force: true });
    }
  }

  /** Deletion as a kubelet carries it out: SIGTERM, the grace period, SIGKILL; then the object goes. */
  #end(pod: Stored<PodObject>): void {
    const local = this.#pods.get(pod.metadata.uid);
    if (local?.isEnding() === true) return;
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? defaultGraceSeconds;
    const ended = local?.end(graceSeconds * 1000) ?? Promise.resolve();
    void ended
      .then(() => this.#options.store.delete(refOf(pod), { gracePeriodSeconds: 0 }))
      .catch((error: unknown) =>
        this.#options.log.debug("Pod is gone already", { name: pod.metadata.name, error: String(error) }),
      );
  }

  #forget(pod: Stored<PodObject>): void {
    const local = this.#pods.get(pod.metadata.uid);
    this.#pods.delete(pod.metadata.uid);
    void local?.end(0);
  }
}

export function refOf({ metadata }: PodObject): { kind: typeof kinds.pod; namespace: string; name: string } {
  return { kind: kinds.pod, namespace: metadata.namespace ?? "default", name: metadata.name };
}
