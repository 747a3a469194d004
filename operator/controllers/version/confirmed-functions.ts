import { functionKind, type FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { KubernetesClient } from "../../../lib/kubernetes/client.ts";
import { isKubernetesError } from "../../../lib/kubernetes/kubernetes-error.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";

interface Confirmed {
  readonly versionUid: string;
  readonly functionUid: string;
  /** The Function had this generation after the Version was made. */
  readonly generation: number;
}

/**
 * Whether what the cache has of a Function is no older than a Version of it. Both come by watches of their own, so that a Version may be
 * heard of before the change of the Function that it was made for.
 */
export class ConfirmedFunctions {
  readonly #client: Pick<KubernetesClient, "get">;
  readonly #confirmedByKey = new Map<string, Confirmed>();

  constructor(client: Pick<KubernetesClient, "get">) {
    this.#client = client;
  }

  /** Asks the API server once for each Version, then compares. */
  async isCurrent(
    version: Stored<VersionObject>,
    cached: Stored<FunctionObject>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { uid, generation = 0 } = cached.metadata;
    const known = this.#confirmedByKey.get(keyOf(version));
    const isKnown = known?.versionUid === version.metadata.uid && known.functionUid === uid;
    const confirmed = isKnown ? known : await this.#ask(version, cached, signal);
    return confirmed?.functionUid === uid && generation >= confirmed.generation;
  }

  /** The Version is published, or gone. */
  forget(key: string): void {
    this.#confirmedByKey.delete(key);
  }

  async #ask(
    version: Stored<VersionObject>,
    { metadata: { namespace = "", name } }: Stored<FunctionObject>,
    signal: AbortSignal,
  ): Promise<Confirmed | undefined> {
    try {
      const { metadata } = await this.#client.get<FunctionObject>({ kind: functionKind, namespace, name }, { signal });
      const { uid: functionUid, generation = 0 } = metadata;
      const confirmed: Confirmed = { versionUid: version.metadata.uid, functionUid, generation };
      this.#confirmedByKey.set(keyOf(version), confirmed);
      return confirmed;
    } catch (error) {
      // The cache will hear of its end.
      if (isKubernetesError(error, "NotFound")) return undefined;
      throw error;
    }
  }
}
