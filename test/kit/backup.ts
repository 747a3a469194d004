/** A namespace as backups keep it: objects without statuses and owners, brought back in any order under other uids. */
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { functionKind } from "../../crds/v1alpha1/function.ts";
import { layerKind } from "../../crds/v1alpha1/layer.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { KindRef, KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { OperatorWorld } from "./operator-world.ts";

/** What a user applies, what we keep beside it, and the ledger. */
export const backedUpKinds: readonly KindRef[] = [
  ...[functionKind, versionKind, aliasKind, layerKind],
  ...[kinds.controllerRevision, kinds.configMap],
];

export async function listAll(
  client: KubernetesClient,
  namespace: string,
  of: readonly KindRef[] = backedUpKinds,
): Promise<readonly Stored[]> {
  const lists = await Promise.all(of.map((kind) => client.list(kind, { namespace })));
  return lists.flatMap(({ items }) => items).filter(({ metadata }) => metadata.name !== "kube-root-ca.crt");
}

/** Source of what is left out: Velero's restore, resetMetadata. */
export async function takeBackup(client: KubernetesClient, namespace: string): Promise<readonly KubernetesObject[]> {
  return (await listAll(client, namespace)).map(({ status: _status, metadata, ...object }) => {
    const { name, labels, annotations, finalizers } = metadata;
    const kept = { ...(labels && { labels }), ...(annotations && { annotations }), ...(finalizers && { finalizers }) };
    return { ...object, metadata: { name, namespace, ...kept } };
  });
}

/** What the namespace controller does, of which the test's API server has none; then the namespace is made anew. */
export async function renewNamespace(world: OperatorWorld, namespace: string): Promise<void> {
  const { client } = world;
  await world.until(`namespace "${namespace}" is empty`, async () => {
    const left = await listAll(client, namespace, [...backedUpKinds, kinds.pod]);
    for (const object of left) await deleteObject(client, object);
    return left.length === 0 ? true : undefined;
  });
  await client.delete({ kind: namespaceKind, name: namespace });
  const path = `/api/v1/namespaces/${namespace}/finalize`;
  await client.raw("PUT", path, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace }, spec: {} });
  await world.until(`namespace "${namespace}" is made anew`, async () => {
    return await world.makeNamespace(namespace).catch((error: unknown) => {
      if (isKubernetesError(error, "AlreadyExists", "Conflict")) return undefined;
      throw error;
    });
  });
}

/** What is there already stays, as Velero does it. */
export async function restore(client: KubernetesClient, objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects) {
    await client.create(object).catch((error: unknown) => {
      if (!isKubernetesError(error, "AlreadyExists")) throw error;
    });
  }
}

/** Gone already is fine. */
export async function deleteObject(client: KubernetesClient, object: KubernetesObject): Promise<void> {
  const { namespace = "", name } = object.metadata;
  const kind = [...backedUpKinds, kinds.pod].find((known) => known.kind === object.kind);
  if (kind === undefined) throw new TypeError(`Cannot delete a ${object.kind}: no such kind is known here`);
  await client.delete({ kind, namespace, name }).catch((error: unknown) => {
    if (!isKubernetesError(error, "NotFound")) throw error;
  });
}

const namespaceKind: KindRef = { apiVersion: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };
