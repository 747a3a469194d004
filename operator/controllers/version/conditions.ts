/** A Version's conditions and the events that go with their changes. Pure. */
import { setCondition, type Condition, type ConditionDraft, type Reason } from "../../../crds/v1alpha1/condition.ts";
import type { VersionObject, VersionStatus } from "../../../crds/v1alpha1/version.ts";
import type { EventDraft } from "../../../lib/kubernetes/plan.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { Health } from "../function/conditions.ts";
import type { ProvisionedSeen } from "../../concurrency/provisioned-status.ts";
import { withoutProvisioned, withProvisioned } from "../../concurrency/provisioned-conditions.ts";
import { ignoredCondition } from "../ignored-fields.ts";
import type { Snapshot } from "./snapshot.ts";

export type Progress =
  | {
      readonly type: "published";
      readonly snapshot: Snapshot;
      /** Another Version published it: nothing has changed since. */
      readonly isCopy: boolean;
      readonly functionTitle: string;
      readonly hasFunction: boolean;
    }
  /** It shall go, and aliases need it. */
  | { readonly type: "held"; readonly snapshot: Snapshot; readonly holders: readonly string[] }
  | { readonly type: "underWay"; readonly reason: Reason; readonly message: string; readonly afterMs?: number }
  | { readonly type: "failed"; readonly reason: Reason; readonly message: string };

export interface ConditionsInput {
  readonly object: Stored<VersionObject>;
  readonly progress: Progress;
  /** Undefined: it wants no environments kept ready. */
  readonly provisioned?: ProvisionedSeen | undefined;
  readonly health: Health | undefined;
  /** ISO 8601. */
  readonly now: string;
}

/** All conditions, from the first visit on. */
export function decideConditions({ object, progress, provisioned, health, now }: ConditionsInput): Condition[] {
  const stamp = { observedGeneration: object.metadata.generation ?? 0, now };
  const told = [...progressDrafts(progress), healthDraft(object, health), ignored(object)];
  const drafts = withProvisioned(told, provisioned);
  const before = withoutProvisioned(object.status?.conditions ?? [], provisioned);
  return drafts.reduce<Condition[]>((all, draft) => setCondition(all, draft, stamp), before);
}

function progressDrafts(progress: Progress): readonly ConditionDraft[] {
  switch (progress.type) {
    case "published":
      return progress.hasFunction ? readyDrafts(progress) : withoutFunction(progress);
    case "held":
      return heldDrafts(progress);
    case "underWay":
    case "failed":
      return unfinishedDrafts(progress);
  }
}

function readyDrafts({ snapshot, isCopy }: Progress & { readonly type: "published" }): readonly ConditionDraft[] {
  const { version, publishedBy } = snapshot;
  const unchanged = `Code and configuration are those of version ${version}, which Version "${publishedBy}" published: nothing new was published`;
  return [
    {
      type: "Ready",
      status: "True",
      reason: isCopy ? "Unchanged" : "Published",
      message: isCopy ? unchanged : `Version ${version} is published`,
    },
    { type: "Reconciling", status: "False", reason: "Published", message: "Nothing is under way" },
    { type: "Stalled", status: "False", reason: "Published", message: "Nothing is in the way" },
  ];
}

function withoutFunction(progress: Progress & { readonly type: "published" }): readonly ConditionDraft[] {
  const message = `Version ${progress.snapshot.version} is kept and cannot be invoked: there is no Function "${progress.functionTitle}" in this namespace`;
  const reason = "FunctionNotFound";
  return [
    { type: "Ready", status: "False", reason, message },
    { type: "Reconciling", status: "True", reason, message },
    { type: "Stalled", status: "False", reason, message: "Nothing but time is in the way" },
  ];
}

/** Source of the text: Lambda's answer to DeleteFunction with a qualifier. */
function heldDrafts({ holders }: Progress & { readonly type: "held" }): readonly ConditionDraft[] {
  const message = `Unable to delete version because the following aliases reference it: [${holders.join(", ")}]`;
  const reason = "HeldByAlias";
  return [
    { type: "Ready", status: "True", reason, message },
    { type: "Reconciling", status: "True", reason, message },
    { type: "Stalled", status: "False", reason, message: "It goes when no alias needs it" },
  ];
}

function unfinishedDrafts({
  type,
  reason,
  message,
}: Progress & { readonly type: "underWay" | "failed" }): readonly ConditionDraft[] {
  const isFailed = type === "failed";
  return [
    { type: "Ready", status: "False", reason, message },
    { type: "Reconciling", status: isFailed ? "False" : "True", reason, message },
    {
      type: "Stalled",
      status: isFailed ? "True" : "False",
      reason,
      message: isFailed ? message : "Nothing but time is in the way",
    },
  ];
}

/** While nothing is known, what was said before stands. */
function healthDraft({ status }: VersionObject, health: Health | undefined): ConditionDraft {
  const type = "EnvironmentsHealthy";
  if (health?.ok === false) return { type, status: "False", reason: health.reason, message: health.message };
  const before = status?.conditions?.find((condition) => condition.type === type);
  if (health === undefined && before?.status === "False") {
    return { type, status: "False", reason: before.reason as Reason, message: before.message };
  }
  return { type, status: "True", reason: "Healthy", message: "No environment failed lately" };
}

/** What of the spec does nothing here (yet). */
export function ignored({ spec }: Pick<VersionObject, "spec">): ConditionDraft {
  return ignoredCondition([
    ...(spec.functionEventInvokeConfig === undefined ? [] : ["functionEventInvokeConfig" as const]),
    ...(spec.revisionID === undefined ? [] : ["revisionID" as const]),
  ]);
}

/** One event when it is published, and one for each condition that has got another reason or message for the worse. */
export function decideEvents({ status, metadata }: VersionObject, next: VersionStatus): readonly EventDraft[] {
  const { version, codeSHA256 = "" } = next;
  const ready = next.conditions?.find(({ type }) => type === "Ready");
  const isNew = version !== undefined && status?.version === undefined && metadata.deletionTimestamp === undefined;
  const note = ready?.reason === "Unchanged" ? ready.message : `Published version ${version ?? 0} (${codeSHA256})`;
  const reason = ready?.reason === "Unchanged" ? "Unchanged" : "Published";
  const published: readonly EventDraft[] = isNew ? [{ type: "Normal", reason, action: "Publish", note }] : [];
  return [...published, ...(next.conditions ?? []).flatMap((condition) => warningOf(condition, status?.conditions))];
}

function warningOf({ type, status, reason, message }: Condition, before: readonly Condition[] = []): EventDraft[] {
  const last = before.find((condition) => condition.type === type);
  if (last?.status === status && last.reason === reason && last.message === message) return [];
  if (type === "EnvironmentsHealthy" && status === "False")
    return [{ type: "Warning", reason, action: "StartEnvironment", note: message }];
  const isStalled = type === "Stalled" && status === "True";
  const isWaiting = type === "Reconciling" && status === "True" && !quietReasons.has(reason);
  if (!isStalled && !isWaiting) return [];
  return [{ type: "Warning", reason, action: isStalled ? "Reconcile" : "Publish", note: message }];
}

/** What takes a moment and no help. */
const quietReasons: ReadonlySet<string> = new Set<Reason>([
  ...(["Publishing", "VersionQueued", "FunctionNotReady", "ProvisioningInProgress"] as const),
]);
