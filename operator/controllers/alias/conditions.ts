/** An Alias' conditions and the events that go with their changes. Pure. */
import type { AliasRoute } from "../../../crds/alias-route.ts";
import type { AliasObject, AliasStatus } from "../../../crds/v1alpha1/alias.ts";
import { setCondition, type Condition, type ConditionDraft, type Reason } from "../../../crds/v1alpha1/condition.ts";
import type { EventDraft } from "../../../lib/kubernetes/plan.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { ProvisionedSeen } from "../../concurrency/provisioned-status.ts";
import { withoutProvisioned, withProvisioned } from "../../concurrency/provisioned-conditions.ts";
import { ignoredCondition } from "../ignored-fields.ts";

/** `kept`: where calls go meanwhile, if anywhere. */
export type Progress =
  | { readonly type: "ready"; readonly route: AliasRoute }
  | {
      readonly type: "waiting" | "failed";
      readonly reason: Reason;
      readonly message: string;
      readonly kept?: AliasRoute | undefined;
    };

export interface ConditionsInput {
  readonly object: Stored<AliasObject>;
  readonly progress: Progress;
  /** Undefined: it wants no environments kept ready. */
  readonly provisioned?: ProvisionedSeen | undefined;
  /** ISO 8601. */
  readonly now: string;
}

/** All conditions, from the first visit on. */
export function decideConditions({ object, progress, provisioned, now }: ConditionsInput): Condition[] {
  const stamp = { observedGeneration: object.metadata.generation ?? 0, now };
  const route = progress.type === "ready" ? readyDrafts(progress.route) : unfinished(progress);
  const drafts = withProvisioned([...route, ignored(object)], provisioned);
  const before = withoutProvisioned(object.status?.conditions ?? [], provisioned);
  return drafts.reduce<Condition[]>((all, draft) => setCondition(all, draft, stamp), before);
}

function readyDrafts(route: AliasRoute): readonly ConditionDraft[] {
  const message = routeText(route);
  return [
    { type: "Ready", status: "True", reason: "Available", message },
    { type: "Reconciling", status: "False", reason: "Available", message: "Nothing is under way" },
    { type: "Stalled", status: "False", reason: "Available", message: "Nothing is in the way" },
    { type: "VersionsResolved", status: "True", reason: "Resolved", message },
  ];
}

function unfinished({
  type,
  reason,
  message,
  kept,
}: Exclude<Progress, { readonly type: "ready" }>): readonly ConditionDraft[] {
  const isFailed = type === "failed";
  const goesOn = kept === undefined ? "" : `; meanwhile: ${routeText(kept)}`;
  return [
    {
      type: "Ready",
      status: isFailed || kept === undefined ? "False" : "Unknown",
      reason: isFailed && kept !== undefined ? "UpdateFailed" : reason,
      message: `${message}${goesOn}`,
    },
    { type: "Reconciling", status: isFailed ? "False" : "True", reason, message },
    {
      type: "Stalled",
      status: isFailed ? "True" : "False",
      reason,
      message: isFailed ? message : "Nothing but time is in the way",
    },
    { type: "VersionsResolved", status: "False", reason, message },
  ];
}

function routeText({ functionVersion, additionalVersionWeights }: AliasRoute): string {
  const shares = Object.entries(additionalVersionWeights)
    .filter(([, weight]) => weight > 0)
    .map(([version, weight]) => `${percent(weight)} of the calls to version ${version}`);
  const title = functionVersion === "$LATEST" ? functionVersion : `version ${functionVersion}`;
  return shares.length === 0 ? `Calls go to ${title}` : `Calls go to ${title}, ${shares.join(", ")}`;
}

function percent(weight: number): string {
  return `${Number((weight * 100).toPrecision(6))} %`;
}

/** What of the spec does nothing here (yet). */
export function ignored({ spec }: Pick<AliasObject, "spec">): ConditionDraft {
  return ignoredCondition([
    ...(spec.functionEventInvokeConfig === undefined ? [] : ["functionEventInvokeConfig" as const]),
    ...((spec.permissions ?? []).length === 0 ? [] : ["permissions" as const]),
  ]);
}

/** One event when its calls go elsewhere, and one for each condition that has got another reason or message for the worse. */
export function decideEvents({ status }: AliasObject, next: AliasStatus): readonly EventDraft[] {
  const [before, after] = [status, next].map((each) => each?.conditions?.find(({ type }) => type === "Ready"));
  const isMoved = after?.status === "True" && (before?.status !== "True" || before.message !== after.message);
  const moved: readonly EventDraft[] = isMoved
    ? [{ type: "Normal", reason: "Routed", action: "Route", note: after.message }]
    : [];
  return [...moved, ...(next.conditions ?? []).flatMap((condition) => warningOf(condition, status?.conditions))];
}

function warningOf({ type, status, reason, message }: Condition, before: readonly Condition[] = []): EventDraft[] {
  const last = before.find((condition) => condition.type === type);
  if (last?.status === status && last.reason === reason && last.message === message) return [];
  const isStalled = type === "Stalled" && status === "True";
  const isWaiting = type === "Reconciling" && status === "True" && reason !== "ProvisioningInProgress";
  if (!isStalled && !isWaiting) return [];
  return [{ type: "Warning", reason, action: isStalled ? "Reconcile" : "Route", note: message }];
}
