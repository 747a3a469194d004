/** Stands for the cluster's garbage collector: what an object owned goes after it. */
import { aliasKind } from "../crds/v1alpha1/alias.ts";
import { versionKind } from "../crds/v1alpha1/version.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { controllerOf, type KindRef } from "../lib/kubernetes/object.ts";
import type { ObjectStore } from "./object-store.ts";

const dependents: readonly KindRef[] = [kinds.pod, kinds.controllerRevision, versionKind, aliasKind];

/** Watches a kind of owners until the signal is aborted. */
export async function collectGarbage(store: ObjectStore, owners: KindRef, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of store.watch(owners, { resourceVersion: "1", signal })) {
      if (event.type === "DELETED") await deleteDependents(store, event.object.metadata.uid);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function deleteDependents(store: ObjectStore, ownerUid: string): Promise<void> {
  for (const kind of dependents) {
    const { items } = await store.list(kind);
    for (const { metadata, ...rest } of items) {
      if (controllerOf({ ...rest, metadata })?.uid !== ownerUid) continue;
      const ref = {
        kind,
        name: metadata.name,
        ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      };
      await store.delete(ref, { uid: metadata.uid }).catch((error: unknown) => {
        if (!isKubernetesError(error, "NotFound", "Conflict")) throw error;
      });
    }
  }
}
