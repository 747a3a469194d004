import { annotations } from "../crds/names.ts";
import { controllerOf, type KubernetesObject, type Stored } from "../lib/kubernetes/object.ts";
import { isOrphan } from "./restored.ts";

/** True of a Version or Alias that this Function has made by itself; a backup brings it back without an owner. */
export function isSelfPublished(owner: Stored, part: KubernetesObject): boolean {
  const publisher = part.metadata.annotations?.[annotations.publisher];
  return isOrphan(part) ? publisher === owner.metadata.name : controllerOf(part)?.uid === owner.metadata.uid;
}
