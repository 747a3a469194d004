import type { KubernetesError } from "./kubernetes-error.ts";
import type { KubernetesObject, ObjectRef, OwnerReference, Stored } from "./object.ts";

/**
 * done: as the spec wants it. waiting: something else has to happen first. stalled: only a new spec helps.
 * retry: it should have worked; look again after a back-off. The status is true in all four.
 */
export type Outcome = "done" | "waiting" | "stalled" | "retry";

/** An object to remove; the uid makes sure that it is the one that was seen and not a later one of its name. */
export interface Removal extends ObjectRef {
  readonly uid: string;
  readonly gracePeriodSeconds?: number;
}

/** An object that nobody owns, e.g. after a backup was restored, and who shall. */
export interface Adoption {
  readonly object: Stored;
  readonly owner: OwnerReference;
  /** Set beside its own. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What happened, to which value; about the reconciled object unless `regarding` names another. */
export interface EventDraft {
  readonly type: "Normal" | "Warning";
  /** Constant, UpperCamelCase, at most 128 characters. */
  readonly reason: string;
  /** What we did or failed to do, UpperCamelCase; default: the reason. */
  readonly action?: string;
  /** For people; cut at 1 KiB. */
  readonly note: string;
  readonly regarding?: Stored;
}

/** What a reconciler wants done: data, so a test compares it and the shell carries it out. */
export interface Plan<Status> {
  /** Server-side apply, in this order, first of all. */
  readonly apply: readonly KubernetesObject[];
  /** Made once, with deterministic names, several at a time; one that exists and is ours is fine. */
  readonly create: readonly KubernetesObject[];
  /** After `create`; the object must not have changed since it was seen. */
  readonly adopt?: readonly Adoption[];
  readonly remove: readonly Removal[];
  /** Finalizers of the object: added before anything else is done, removed when all else has been done. */
  readonly finalizers?: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
  /** Annotations of the object, set beside those that others have set; with the finalizers, before anything else. */
  readonly annotate?: Readonly<Record<string, string>>;
  /** The whole status; written only if it differs. Absent: left as it is. */
  readonly status?: Status;
  readonly events: readonly EventDraft[];
  readonly outcome: Outcome;
  /** Absent: only a watch wakes us (and, for `retry`, the back-off). */
  readonly recheckAfterMs?: number;
}

/** A step of the last plan that could not be carried out, e.g. a pod that the quota forbids. */
export interface CarryOutFailure {
  readonly step: "finalizers" | "apply" | "create" | "adopt" | "remove" | "status";
  readonly ref: ObjectRef;
  readonly error: KubernetesError;
}

/** A plan that wants nothing: spread it and say what differs. */
export const emptyPlan = {
  apply: [],
  create: [],
  remove: [],
  events: [],
  outcome: "done",
} as const satisfies Plan<never>;
