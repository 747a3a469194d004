/** What objects of kinds are told that this release keeps and does not run: the truth. */
import { setCondition, type Condition, type ConditionDraft } from "../../../crds/v1alpha1/condition.ts";
import type { CustomObject } from "../../../crds/v1alpha1/object-meta.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Plan } from "../../../lib/kubernetes/plan.ts";

export interface NotServedStatus {
  readonly conditions?: Condition[] | undefined;
  readonly observedGeneration?: number | undefined;
}
export type NotServedObject = CustomObject<unknown, NotServedStatus>;

export interface NotServedSeen {
  readonly object: Stored<NotServedObject>;
}

const consequences: Readonly<Record<string, string>> = {
  EventSourceMapping: "nothing is polled; invoke the function through the Invoke API",
};

export function notServedMessage(kind: string): string {
  return `This release checks and keeps objects of kind ${kind}, and does not run them: ${consequences[kind] ?? "nothing comes of it"}`;
}

export function decideNotServed({ object }: NotServedSeen, nowMs: number): Plan<NotServedStatus> {
  const { kind, metadata, status } = object;
  const message = notServedMessage(kind);
  const drafts: readonly ConditionDraft[] = [
    { type: "Ready", status: "False", reason: "NotServed", message },
    { type: "Reconciling", status: "False", reason: "NotServed", message: "Nothing is under way" },
    { type: "Stalled", status: "True", reason: "NotServed", message },
  ];
  const stamp = { observedGeneration: metadata.generation ?? 0, now: new Date(nowMs).toISOString() };
  const conditions = drafts.reduce<Condition[]>(
    (all, draft) => setCondition(all, draft, stamp),
    status?.conditions ?? [],
  );
  const isTold = status?.conditions?.some(({ type, reason }) => type === "Ready" && reason === "NotServed") ?? false;
  return {
    ...emptyPlan,
    status: { ...status, conditions, observedGeneration: stamp.observedGeneration },
    events: isTold ? [] : [{ type: "Warning", reason: "NotServed", action: "Reconcile", note: message }],
    outcome: "stalled",
  };
}
