import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";

/** A Secret of the install namespace that the operator makes. */
export interface InstallSecret extends KubernetesObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface InstallSecretRef {
  readonly namespace: string;
  readonly name: string;
}

/** The Secret as it is; makes it when it is not there. One that is there is never changed. */
export async function ensureInstallSecret(
  client: KubernetesClient,
  { namespace, name }: InstallSecretRef,
  makeData: () => NonNullable<InstallSecret["data"]>,
): Promise<Stored<InstallSecret>> {
  const ref = { kind: kinds.secret, namespace, name };
  try {
    return await client.get<InstallSecret>(ref);
  } catch (error) {
    if (!isKubernetesError(error, "NotFound")) throw error;
  }
  const metadata = { namespace, name };
  try {
    return await client.create({ apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", data: makeData() });
  } catch (error) {
    // Another operator, or a request of ours whose answer was lost, has been faster: what it made counts.
    if (!isKubernetesError(error, "AlreadyExists")) throw error;
    return await client.get<InstallSecret>(ref);
  }
}
