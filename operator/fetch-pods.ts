import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import type { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import { keyOf, type Stored } from "../lib/kubernetes/object.ts";
import { toKubernetesError } from "../lib/kubernetes/to-kubernetes-error.ts";
import type { Logger } from "../lib/logger.ts";
import { ConcurrencyLimit } from "../lib/concurrency-limit.ts";
import { fetchEnd, fetchPod, type FetchEnd, type FetchSettings, type FetchWanted } from "./fetch-pod.ts";
import type { Pod } from "./pod.ts";

export interface FetchPodsOptions {
  readonly client: KubernetesClient;
  /** Pods of the component `fetch`. */
  readonly pods: ObjectCache<Pod>;
  readonly settings: FetchSettings;
  readonly clock: Clock;
  /** Asked right before each write. */
  readonly mayAct: () => boolean;
  readonly log: Logger;
}

/** Pods of one namespace at once; the others wait. */
const podsOfNamespace = 4;
/** A pod that is made again each time somebody takes it away. */
const creations = 3;
/** The watch tells; this is for what it may have missed, ms. */
const lookAgainMs = 30_000;
/** Scheduling and pulling, on top of the pod's own life, ms. */
const startMs = 300_000;
const sweepMs = 60_000;

/**
 * Runs one pod for each wish and tells how it ended. Only the word of a pod that was made here counts, for anybody in the namespace
 * could have made another of its name: those, and what an operator before this one made for the same wish, are replaced. What nobody
 * waits for any more is removed once it has ended.
 */
export class FetchPods {
  readonly #options: FetchPodsOptions;
  readonly #limitByNamespace = new Map<string, ConcurrencyLimit>();
  readonly #awaited = new Set<string>();
  /** Uids of pods that were made here and whose end has not been taken yet. */
  readonly #made = new Set<string>();
  readonly #wakes = new Map<string, () => void>();
  readonly #endings: (() => void)[] = [];
  #cancelSweep = (): void => undefined;

  constructor(options: FetchPodsOptions) {
    this.#options = options;
    this.#endings.push(
      options.pods.onChange(({ type, object }) => {
        if (type === "deleted") this.#made.delete(object.metadata.uid);
        this.#wakes.get(keyOf(object))?.();
      }),
    );
    this.#scheduleSweep();
  }

  /** Rejects only when the signal is aborted: then the pod goes on, and whoever asks next replaces it. */
  async run(wanted: FetchWanted, signal: AbortSignal): Promise<FetchEnd> {
    const pod = fetchPod(wanted, this.#options.settings, sha256);
    const namespace = pod.metadata.namespace ?? "";
    const limit = this.#limitByNamespace.get(namespace) ?? new ConcurrencyLimit(podsOfNamespace);
    this.#limitByNamespace.set(namespace, limit);
    return await limit.run(async () => {
      const key = keyOf(pod);
      this.#awaited.add(key);
      try {
        return await this.#bringToEnd(pod, key, signal, wanted.deadlineSeconds * 1000 + startMs);
      } finally {
        this.#awaited.delete(key);
      }
    });
  }

  stop(): void {
    this.#cancelSweep();
    for (const end of this.#endings.splice(0)) end();
  }

  async #bringToEnd(pod: Pod, key: string, signal: AbortSignal, withinMs: number): Promise<FetchEnd> {
    const { clock, pods } = this.#options;
    const untilMs = clock.monotonicMs() + withinMs;
    let tries = 0;
    /** It was made and has not been seen yet. */
    let isExpected = false;
    /** One of its name is there, which the cache does not show. */
    let isForeign = false;
    for (;;) {
      signal.throwIfAborted();
      const seen = this.#seen(key);
      const end = seen === undefined ? undefined : fetchEnd(seen);
      if (seen !== undefined && end !== undefined) {
        this.#made.delete(seen.metadata.uid);
        await this.#remove(seen);
        return end;
      }
      if (pods.get(key) !== undefined) isExpected = false;
      if (clock.monotonicMs() > untilMs) return await this.#giveUp(seen, key, withinMs);
      const other = seen === undefined ? pods.get(key) : undefined;
      if (other !== undefined && other.metadata.deletionTimestamp === undefined) await this.#remove(other);
      if (pods.get(key) === undefined && !isExpected) {
        if (tries++ >= creations)
          return { type: "failed", message: `Pod "${pod.metadata.name}" was removed before it ended` };
        const created = await this.#create(pod);
        if (typeof created === "object") return created;
        isForeign = created === "exists";
        isExpected = this.#seen(key) === undefined;
        if (!isExpected) continue;
      }
      const isWoken = await this.#changed(key, signal);
      if (!isWoken && isExpected) isExpected = await this.#isThere(pod);
      if (!isWoken && isExpected && isForeign) return notOurs(pod);
    }
  }

  #seen(key: string): Stored<Pod> | undefined {
    const pod = this.#options.pods.get(key);
    return pod !== undefined && this.#made.has(pod.metadata.uid) ? pod : undefined;
  }

  async #create(pod: Pod): Promise<FetchEnd | "made" | "exists"> {
    const { client, mayAct } = this.#options;
    const { namespace = "", name } = pod.metadata;
    if (!mayAct()) return { type: "failed", message: `Cannot make pod "${name}": another operator leads` };
    try {
      this.#made.add((await client.create(pod)).metadata.uid);
      return "made";
    } catch (thrown) {
      const error = toKubernetesError(`create pod "${namespace}/${name}"`, thrown);
      return error.code === "AlreadyExists" ? "exists" : { type: "failed", message: error.message };
    }
  }

  async #remove({ metadata }: Stored<Pod>): Promise<void> {
    const { client, mayAct, log } = this.#options;
    const { namespace = "", name, uid } = metadata;
    if (!mayAct()) return;
    try {
      await client.delete({ kind: kinds.pod, namespace, name }, { uid, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isKubernetesError(error, "NotFound", "Conflict"))
        log.warn("Cannot remove a pod that has fetched", { kind: "Pod", namespace, name, error });
    }
  }

  async #giveUp(seen: Stored<Pod> | undefined, key: string, withinMs: number): Promise<FetchEnd> {
    if (seen !== undefined) await this.#remove(seen);
    const scheduled = seen?.status?.conditions?.find(({ type }) => type === "PodScheduled");
    const why = scheduled?.status === "False" ? `: ${scheduled.message ?? scheduled.reason ?? "not scheduled"}` : "";
    return { type: "failed", message: `Pod "${key}" did not end within ${withinMs / 1000} s${why}` };
  }

  async #isThere({ metadata: { namespace = "", name } }: Pod): Promise<boolean> {
    try {
      await this.#options.client.get({ kind: kinds.pod, namespace, name });
      return true;
    } catch (error) {
      return !isKubernetesError(error, "NotFound");
    }
  }

  /** True when the pod has changed, false when it is time to look anyway. */
  #changed(key: string, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (isWoken: boolean): void => {
        cancel();
        this.#wakes.delete(key);
        signal.removeEventListener("abort", onAbort);
        resolve(isWoken);
      };
      const onAbort = (): void => done(true);
      const cancel = this.#options.clock.schedule(lookAgainMs, () => done(false));
      this.#wakes.set(key, () => done(true));
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #scheduleSweep(): void {
    const { clock, pods } = this.#options;
    this.#cancelSweep = clock.schedule(sweepMs, () => {
      const left = pods.list().filter((pod) => !this.#awaited.has(keyOf(pod)) && fetchEnd(pod) !== undefined);
      void Promise.all(left.map((pod) => this.#remove(pod))).then(() => this.#scheduleSweep());
    });
  }
}

function notOurs({ metadata: { name } }: Pod): FetchEnd {
  return { type: "failed", message: `Pod "${name}" is there already and not the operator's; remove it` };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
