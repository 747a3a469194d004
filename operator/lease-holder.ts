/** Who holds the operators' Lease: a pod, by name and uid. */
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { OperatorConfig } from "./operator-config.ts";
import type { Pod } from "./pod.ts";

/** `<name>_<uid>` */
export function holderOf(config: Pick<OperatorConfig, "KUBELAMBDA_POD_NAME" | "KUBELAMBDA_POD_UID">): string {
  return `${config.KUBELAMBDA_POD_NAME ?? "operator"}_${config.KUBELAMBDA_POD_UID ?? String(process.pid)}`;
}

/** Of a pod; what runs in none has none. */
const podHolder = /^([a-z0-9.-]+)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Whether the holder's pod is no more, or has ended: a kubelet says so of a pod whose containers have. False where nobody can say. */
export async function isPodGone(
  client: Pick<KubernetesClient, "get">,
  namespace: string,
  holder: string,
): Promise<boolean> {
  const [, name, uid] = podHolder.exec(holder) ?? [];
  if (name === undefined) return false;
  try {
    const { metadata, status } = await client.get<Pod>({ kind: kinds.pod, namespace, name }, { isUrgent: true });
    return metadata.uid !== uid || status?.phase === "Succeeded" || status?.phase === "Failed";
  } catch (error) {
    if (isKubernetesError(error, "NotFound")) return true;
    throw error;
  }
}
