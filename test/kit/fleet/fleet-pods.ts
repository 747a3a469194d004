/** Pods of a fleet as its API server has them; what a kubelet would say of them, the fleet says. */
import { annotations, labels } from "../../../crds/names.ts";
import type { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject, Stored } from "../../../lib/kubernetes/object.ts";

export interface EnvironmentPodDraft {
  readonly name: string;
  readonly namespace: string;
  readonly functionUid: string;
  readonly revisionID: string;
  readonly epoch: number;
  readonly podIP: string;
  /** The version that it is kept ready for. */
  readonly provisionedFor?: string | undefined;
}

export async function createEnvironmentPod(client: ApiServerClient, draft: EnvironmentPodDraft): Promise<Stored> {
  const { name, namespace, functionUid, revisionID, epoch, podIP, provisionedFor } = draft;
  const metadata = {
    ...{ name, namespace },
    labels: {
      [labels.component]: "environment",
      [labels.functionUid]: functionUid,
      [labels.revision]: revisionID,
      ...(provisionedFor !== undefined && { [labels.provisioned]: provisionedFor }),
    },
    annotations: { [annotations.epoch]: String(epoch) },
  };
  const pod = await client.create({ ...podOf("default"), metadata } as unknown as KubernetesObject);
  const ref = { kind: kinds.pod, namespace, name };
  await client.patch(ref, { status: { podIP, podIPs: [{ ip: podIP }] } }, { subresource: "status" });
  return pod;
}

/** A pod of one of our own processes. */
export async function createInstallPod(
  client: ApiServerClient,
  { name, namespace, serviceAccount }: Readonly<Record<"name" | "namespace" | "serviceAccount", string>>,
): Promise<Stored> {
  const metadata = { name, namespace };
  return await client.create({ ...podOf(serviceAccount), metadata } as unknown as KubernetesObject);
}

/** What a kubelet says of a pod. */
export async function setPodReady(
  client: ApiServerClient,
  { podName, podIP, namespace }: { readonly podName: string; readonly podIP: string; readonly namespace: string },
  isReady: boolean,
): Promise<void> {
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  const status = { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions };
  await client.patch({ kind: kinds.pod, namespace, name: podName }, { status }, { subresource: "status" });
}

/** At once, as when its node says that it is gone. */
export async function deletePod(client: ApiServerClient, namespace: string, name: string): Promise<void> {
  try {
    await client.delete({ kind: kinds.pod, namespace, name }, { gracePeriodSeconds: 0 });
  } catch (error) {
    if (!isKubernetesError(error, "NotFound")) throw error;
  }
}

/** As little as the API server and the namespaces' pod security take. */
function podOf(serviceAccountName: string): object {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    spec: {
      serviceAccountName,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{ name: "main", image: "none", securityContext }],
    },
  };
}
