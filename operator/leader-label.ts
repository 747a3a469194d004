import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";

/** By this label the operator's Service finds the one that leads. */
export const leaderLabel = "kubelambda.dev/leader";

/** It decides who leads and who is asked. */
const urgent = { isUrgent: true };

/** Labels this pod, and takes the label from a former leader that could not give it back. */
export async function takeLeaderLabel(client: KubernetesClient, namespace: string, podName: string): Promise<void> {
  const { items } = await client.list(kinds.pod, { namespace, labelSelector: `${leaderLabel}=true`, ...urgent });
  for (const { metadata } of items) {
    if (metadata.name !== podName) await setLeaderLabel(client, namespace, { podName: metadata.name, isLeader: false });
  }
  await setLeaderLabel(client, namespace, { podName, isLeader: true });
}

/** A pod that is gone is fine. */
export async function setLeaderLabel(
  client: KubernetesClient,
  namespace: string,
  { podName, isLeader }: { readonly podName: string; readonly isLeader: boolean },
): Promise<void> {
  const labels = { [leaderLabel]: isLeader ? "true" : null };
  try {
    await client.patch({ kind: kinds.pod, namespace, name: podName }, { metadata: { labels } }, urgent);
  } catch (error) {
    if (!isKubernetesError(error, "NotFound")) throw error;
  }
}
