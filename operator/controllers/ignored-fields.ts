/** What of a Version's or an Alias' spec is accepted and does nothing here (yet). Pure. */
import type { ConditionDraft } from "../../crds/v1alpha1/condition.ts";

const meanings = {
  functionEventInvokeConfig: "this release has no asynchronous invocations",
  permissions: "RBAC says who may invoke",
  revisionID: "codeSHA256 is what holds",
} as const;

export function ignoredCondition(fields: readonly (keyof typeof meanings)[]): ConditionDraft {
  const type = "FieldsIgnored";
  if (fields.length === 0) return { type, status: "False", reason: "AllFieldsUsed", message: "No field is ignored" };
  const message = fields.map((name) => `spec.${name}: ${meanings[name]}`).join("; ");
  return { type, status: "True", reason: "FieldsIgnored", message };
}
