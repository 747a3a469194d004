import { FETCH_COMPONENT, labels } from "../../crds/names.ts";
import type { ImageAnswer, ResolveImageRequest } from "../../crds/wire/images.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { sleep, type Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { toKubernetesError } from "../../lib/kubernetes/to-kubernetes-error.ts";
import type { Pod } from "../pod.ts";
import { fetchDeadlineSeconds, fetchFailed, fetchOutcome, fetchPod, type FetchSettings } from "./fetch-pod.ts";

export interface FetchPodsOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Asked right before a pod is made. */
  readonly mayAct: () => boolean;
  readonly settings: FetchSettings;
  /** Absent: all namespaces. */
  readonly namespace: string | undefined;
  readonly onError: (error: unknown) => void;
}

/** Between two looks at a pod that is under way. */
const lookMs = 300;

/** Reads images in pods of their functions' namespaces, one pod a question, which is removed when it has answered. */
export class FetchPods {
  readonly #options: FetchPodsOptions;

  constructor(options: FetchPodsOptions) {
    this.#options = options;
  }

  /** What a leader before left behind; nobody waits for it any more. */
  async removeLeft(signal: AbortSignal): Promise<void> {
    const { client, namespace, onError } = this.#options;
    const labelSelector = `${labels.component}=${FETCH_COMPONENT}`;
    const { items } = await client.list<Pod>(kinds.pod, { namespace, labelSelector, signal });
    for (const pod of items) await this.#remove(pod).catch(onError);
  }

  /** Names of the Secrets that a pod of the function is pulled with: its own, else those of its ServiceAccount, as Kubernetes has it. */
  async pullSecrets({ metadata, spec }: FunctionObject, signal: AbortSignal): Promise<readonly string[]> {
    const own = (spec.podTemplate?.spec?.imagePullSecrets ?? []).map(({ name }) => name);
    if (own.length > 0) return own;
    const name = spec.serviceAccountName ?? "default";
    try {
      const ref = { kind: kinds.serviceAccount, namespace: metadata.namespace ?? "", name };
      const account = (await this.#options.client.get(ref, { signal })) as { readonly imagePullSecrets?: unknown };
      return namesOf(account.imagePullSecrets);
    } catch (error) {
      if (isKubernetesError(error, "NotFound")) return [];
      throw error;
    }
  }

  async lookUp(
    object: Stored<FunctionObject>,
    request: ResolveImageRequest,
    { secrets, signal }: { readonly secrets: readonly string[]; readonly signal: AbortSignal },
  ): Promise<ImageAnswer> {
    const { client, draw, settings, mayAct } = this.#options;
    if (!mayAct()) return fetchFailed(request.image, "this operator no longer leads");
    const name = `${object.metadata.name.slice(0, 40).replace(/[^a-z0-9]+$/, "")}-fetch-${suffix(draw)}`;
    let made: Stored<Pod>;
    try {
      made = await client.create(fetchPod({ object, name, request, secrets, settings }), { signal });
    } catch (thrown) {
      return fetchFailed(request.image, toKubernetesError(`create pod "${name}"`, thrown).serverMessage);
    }
    try {
      return await this.#wait(made, request, signal);
    } finally {
      await this.#remove(made).catch(this.#options.onError);
    }
  }

  async #wait(pod: Stored<Pod>, request: ResolveImageRequest, signal: AbortSignal): Promise<ImageAnswer> {
    const { client, clock } = this.#options;
    const { namespace = "", name } = pod.metadata;
    const endMs = clock.monotonicMs() + (fetchDeadlineSeconds + 5) * 1000;
    while (clock.monotonicMs() < endMs) {
      await sleep(clock, lookMs, signal);
      try {
        const now = await client.get<Pod>({ kind: kinds.pod, namespace, name }, { signal });
        const outcome = fetchOutcome(now, request);
        if (outcome !== undefined) return outcome;
      } catch (error) {
        if (isKubernetesError(error, "NotFound")) return fetchFailed(request.image, "its pod was removed");
        if (!isKubernetesError(error, "Timeout", "Unavailable", "TooManyRequests")) throw error;
      }
    }
    return fetchFailed(request.image, `its pod did not start within ${fetchDeadlineSeconds} s`);
  }

  async #remove({ metadata: { namespace = "", name, uid } }: Stored<Pod>): Promise<void> {
    try {
      await this.#options.client.delete({ kind: kinds.pod, namespace, name }, { uid });
    } catch (error) {
      if (!isKubernetesError(error, "NotFound", "Conflict")) throw error;
    }
  }
}

function namesOf(secrets: unknown): readonly string[] {
  if (!Array.isArray(secrets)) return [];
  return secrets.map((secret) => (secret as { readonly name?: string }).name ?? "").filter((name) => name !== "");
}

/** No vowels, so no words; no letters that look like digits. */
const nameCharacters = "bcdfghjklmnpqrstvwxz2456789";
function suffix(draw: () => number): string {
  return Array.from({ length: 8 }, () => nameCharacters[Math.floor(draw() * nameCharacters.length)] ?? "b").join("");
}
