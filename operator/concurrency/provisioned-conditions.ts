/** How the environments that are kept ready show in the conditions of an Alias or a Version. Pure. */
import { removeCondition, type Condition, type ConditionDraft } from "../../crds/v1alpha1/condition.ts";
import { provisionedCondition, type ProvisionedSeen } from "./provisioned-status.ts";

/** Whatever else is ready: it is not as its spec wants it before the environments are. */
export function withProvisioned(
  drafts: readonly ConditionDraft[],
  seen: ProvisionedSeen | undefined,
): readonly ConditionDraft[] {
  if (seen === undefined) return drafts;
  const condition = provisionedCondition(seen);
  const ready = drafts.find(({ type }) => type === "Ready");
  if (condition.status === "True" || ready?.status !== "True") return [...drafts, condition];
  const { reason } = condition;
  const isFailed = reason !== "ProvisioningInProgress";
  const message = `${ready.message}, but: ${condition.message}`;
  const stalled = isFailed ? condition.message : "Nothing but time is in the way";
  return [
    ...drafts.filter(({ type }) => !["Ready", "Reconciling", "Stalled"].includes(type)),
    { type: "Ready", status: "False", reason, message },
    { type: "Reconciling", status: isFailed ? "False" : "True", reason, message: condition.message },
    { type: "Stalled", status: isFailed ? "True" : "False", reason, message: stalled },
    condition,
  ];
}

/** What was said of environments that nobody wants kept any more. */
export function withoutProvisioned(conditions: readonly Condition[], seen: ProvisionedSeen | undefined): Condition[] {
  return seen === undefined ? removeCondition(conditions, "ProvisionedConcurrencyReady") : [...conditions];
}
