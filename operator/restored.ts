/** What an object that came back from a backup tells of its former life, though its status was left behind. Pure. */
import { annotations } from "../crds/names.ts";
import { controllerOf, type KubernetesObject, type Stored } from "../lib/kubernetes/object.ts";

/** The number that this object was given, or gave last; 0: none that is known. */
export function publishedNumber({ metadata }: KubernetesObject): number {
  const text = metadata.annotations?.[annotations.publishedVersion] ?? "";
  return /^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : 0;
}

/** What the object shall say of a number; empty where it says that or more. */
export function publishedAnnotation(object: KubernetesObject, number: number): Readonly<Record<string, string>> {
  return publishedNumber(object) >= number ? {} : { [annotations.publishedVersion]: String(number) };
}

/** All of a backup comes back within so long. */
const restoreMs = 60_000;

/** How long to wait for what the object has published and is not here: 0 for one that is no newcomer. `now` is ISO 8601. */
export function awaitRestoreMs(object: Stored, newestNumber: number, now: string): number {
  if (publishedNumber(object) <= newestNumber) return 0;
  return Math.max(0, Date.parse(object.metadata.creationTimestamp) + restoreMs - Date.parse(now));
}

/** Key of an index: the controller's uid, and for what a backup brought back without an owner the owner's name. */
export function ownerKey(object: KubernetesObject, ownerName: string): string {
  return controllerOf(object)?.uid ?? orphanKey(object.metadata.namespace, ownerName);
}

export function orphanKey(namespace = "", ownerName: string): string {
  return `orphan ${namespace}/${ownerName}`;
}

export function isOrphan(object: KubernetesObject): boolean {
  return controllerOf(object) === undefined;
}
