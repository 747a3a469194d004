/** A Layer's conditions and the events that go with their changes. Pure. */
import {
  removeCondition,
  setCondition,
  type Condition,
  type ConditionDraft,
  type Reason,
} from "../../../crds/v1alpha1/condition.ts";
import type { LayerObject, LayerStatus } from "../../../crds/v1alpha1/layer.ts";
import type { EventDraft } from "../../../lib/kubernetes/plan.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { PackageSeen } from "../../package-source.ts";
import { sourceCurrent } from "../../source-current.ts";

/** How the latest spec fares. `digest` is there once the content is. */
export type Progress =
  | { readonly type: "active"; readonly version: number; readonly digest: string }
  | {
      readonly type: "underWay";
      readonly reason: Reason;
      readonly message: string;
      readonly afterMs?: number;
      readonly digest?: string;
    }
  | { readonly type: "failed"; readonly reason: Reason; readonly message: string };

export interface ConditionsInput {
  readonly object: Stored<LayerObject>;
  readonly progress: Progress;
  readonly latestVersion: number | undefined;
  readonly content: PackageSeen;
  /** ISO 8601. */
  readonly now: string;
}

/** All conditions, from the first visit on. */
export function decideConditions({ object, progress, latestVersion, content, now }: ConditionsInput): Condition[] {
  const stamp = { observedGeneration: object.metadata.generation ?? 0, now };
  const drafts = progress.type === "active" ? activeDrafts(progress) : unfinishedDrafts(progress, latestVersion);
  const told = object.status?.conditions ?? [];
  const before = object.spec.content.recheckSeconds === undefined ? removeCondition(told, "SourceCurrent") : told;
  const all = [...drafts, ...sourceCurrent(content)];
  return all.reduce<Condition[]>((conditions, draft) => setCondition(conditions, draft, stamp), before);
}

function activeDrafts({ version, digest }: Progress & { readonly type: "active" }): readonly ConditionDraft[] {
  return [
    { type: "Ready", status: "True", reason: "Available", message: `Version ${version} is published` },
    { type: "Reconciling", status: "False", reason: "Available", message: "Nothing is under way" },
    { type: "Stalled", status: "False", reason: "Available", message: "Nothing is in the way" },
    resolved(digest),
  ];
}

function unfinishedDrafts(
  progress: Exclude<Progress, { readonly type: "active" }>,
  latestVersion: number | undefined,
): readonly ConditionDraft[] {
  const { reason, message } = progress;
  const isFailed = progress.type === "failed";
  const goesOn = latestVersion === undefined ? "" : `; version ${latestVersion} stays the newest`;
  return [
    {
      type: "Ready",
      status: isFailed || latestVersion === undefined ? "False" : "Unknown",
      reason: isFailed && latestVersion !== undefined ? "UpdateFailed" : reason,
      message: `${message}${goesOn}`,
    },
    { type: "Reconciling", status: isFailed ? "False" : "True", reason, message },
    {
      type: "Stalled",
      status: isFailed ? "True" : "False",
      reason,
      message: isFailed ? message : "Nothing but time is in the way",
    },
    contentDraft(progress),
  ];
}

function contentDraft(progress: Exclude<Progress, { readonly type: "active" }>): ConditionDraft {
  const { reason, message } = progress;
  if (progress.type === "underWay" && progress.digest !== undefined) return resolved(progress.digest);
  if (reason !== "NameTaken") return { type: "ContentResolved", status: "False", reason, message };
  const unknown = "The content has not been looked at: another field is in the way";
  return { type: "ContentResolved", status: "Unknown", reason, message: unknown };
}

function resolved(digest: string): ConditionDraft {
  return { type: "ContentResolved", status: "True", reason: "Resolved", message: `The content is "${digest}"` };
}

/** One event for each version that was published, and one for each condition that has got another reason or message for the worse. */
export function decideEvents({ status }: LayerObject, next: LayerStatus): readonly EventDraft[] {
  const published = (next.versions ?? []).filter(({ version }) => version > (status?.latestVersion ?? 0));
  const events = published.map(({ version, sha256 }): EventDraft => {
    const note = `Published version ${version} (sha256:${sha256})`;
    return { type: "Normal", reason: "Published", action: "Publish", note };
  });
  return [...events, ...(next.conditions ?? []).flatMap((condition) => warningOf(condition, status?.conditions))];
}

function warningOf({ type, status, reason, message }: Condition, before: readonly Condition[] = []): EventDraft[] {
  const last = before.find((condition) => condition.type === type);
  if (last?.status === status && last.reason === reason && last.message === message) return [];
  const isStalled = type === "Stalled" && status === "True";
  const isWaiting = type === "Reconciling" && status === "True" && !quietReasons.has(reason);
  const isUnknown = type === "SourceCurrent" && status !== "True";
  if (!isStalled && !isWaiting && !isUnknown) return [];
  return [{ type: "Warning", reason, action: isStalled ? "Reconcile" : "Publish", note: message }];
}

/** What takes a moment and no help. */
const quietReasons: ReadonlySet<string> = new Set<Reason>(["Resolving", "Publishing"]);
