/** What an API server does to objects on their way in and out, whatever their kind. */
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KindRef, KubernetesObject, Stored } from "../lib/kubernetes/object.ts";
import type { Change } from "./change-log.ts";

/** What a watch with this selection is told of a change: one that begins to match is added, one that ceases to is deleted. */
export function toEvent(
  { type, kind, object, before }: Change,
  wanted: KindRef,
  matches: (object: KubernetesObject) => boolean,
) {
  if (kind.kind !== wanted.kind || kind.apiVersion !== wanted.apiVersion) return undefined;
  const [was, is] = [before !== undefined && matches(before), type !== "DELETED" && matches(object)];
  if (is) return { type: was ? "MODIFIED" : "ADDED", object };
  return was ? { type: "DELETED", object } : undefined;
}

/** What only the server sets, whatever an update says. */
export function serverFields({ metadata }: Stored) {
  const { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } =
    metadata;
  return {
    uid,
    resourceVersion,
    creationTimestamp,
    ...(generation !== undefined && { generation }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(deletionGracePeriodSeconds !== undefined && { deletionGracePeriodSeconds }),
  };
}

/** All but metadata and status: what the generation counts. */
export function mainPart(object: KubernetesObject): unknown {
  const { metadata: _metadata, status: _status, ...main } = object;
  return main;
}

/** A pod on a node goes when its processes are gone; any other object, and a pod that was never started, at once. */
export function podGraceSeconds(kind: KindRef, object: Stored, asked: number | undefined): number {
  if (kind.kind !== kinds.pod.kind) return 0;
  const spec = object.spec as { readonly nodeName?: string; readonly terminationGracePeriodSeconds?: number };
  return spec.nodeName === undefined ? 0 : (asked ?? spec.terminationGracePeriodSeconds ?? 30);
}
