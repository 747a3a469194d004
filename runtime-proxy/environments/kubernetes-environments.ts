import { ENVIRONMENT_COMPONENT, labels } from "../../crds/names.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { EnvironmentDirectory, EnvironmentPod } from "../domain/environment.ts";

/** A pod as far as the router reads it. */
export interface EnvironmentPodObject extends KubernetesObject {
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

const pageSize = 500;

/** Selects the pods that are execution environments. */
export const environmentSelector = `${labels.component}=${ENVIRONMENT_COMPONENT}`;

/** Keeps of a pod what the router reads: at 10,000 environments the rest would be hundreds of megabytes. */
export function withoutUnread({
  apiVersion,
  kind,
  metadata,
  status,
}: Stored<EnvironmentPodObject>): Stored<EnvironmentPodObject> {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp } = metadata;
  const { phase, podIP } = status ?? {};
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      uid,
      resourceVersion,
      creationTimestamp,
      ...(namespace !== undefined && { namespace }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(metadata.labels !== undefined && { labels: metadata.labels }),
    },
    status: { ...(phase !== undefined && { phase }), ...(podIP !== undefined && { podIP }) },
  };
}

/** Execution environments of the watch cache; one whose containers have ended counts as gone. */
export class KubernetesEnvironments implements EnvironmentDirectory {
  readonly #cache: ObjectCache<EnvironmentPodObject>;
  readonly #client: KubernetesClient;

  constructor(cache: ObjectCache<EnvironmentPodObject>, client: KubernetesClient) {
    this.#cache = cache;
    this.#client = client;
  }

  async listNow(namespace: string): Promise<readonly EnvironmentPod[]> {
    const listed: EnvironmentPod[] = [];
    let next: string | undefined;
    do {
      const selection = { namespace, labelSelector: environmentSelector, limit: pageSize, continue: next };
      const page = await this.#client.list<EnvironmentPodObject>(kinds.pod, selection);
      listed.push(...page.items.flatMap((object) => toEnvironmentPod(object) ?? []));
      next = page.continue;
    } while (next !== undefined);
    return listed;
  }

  *all(): Iterable<EnvironmentPod> {
    for (const object of this.#cache.list()) {
      const pod = toEnvironmentPod(object);
      if (pod !== undefined) yield pod;
    }
  }

  onChange(listener: (podUid: string, pod: EnvironmentPod | undefined) => void): void {
    for (const pod of this.all()) listener(pod.podUid, pod);
    this.#cache.onChange(({ type, object }) => {
      listener(object.metadata.uid, type === "deleted" ? undefined : toEnvironmentPod(object));
    });
  }
}

function toEnvironmentPod({ metadata, status }: Stored<EnvironmentPodObject>): EnvironmentPod | undefined {
  const functionUid = metadata.labels?.[labels.functionUid];
  const revisionID = metadata.labels?.[labels.revision];
  if (functionUid === undefined || revisionID === undefined) return undefined;
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
  const createdAtMs = Date.parse(metadata.creationTimestamp);
  return {
    podUid: metadata.uid,
    namespace: metadata.namespace ?? "default",
    functionUid,
    revisionID,
    configurationID: metadata.labels?.[labels.configuration],
    provisionedFor: metadata.labels?.[labels.provisioned],
    isTerminating: metadata.deletionTimestamp !== undefined,
    ...(status?.podIP !== undefined && { podIP: status.podIP }),
    ...(!Number.isNaN(createdAtMs) && { createdAtMs }),
  };
}
