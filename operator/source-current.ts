import type { ConditionDraft } from "../crds/v1alpha1/condition.ts";
import type { PackageSeen } from "./package-source.ts";

/** Whether a source that may change still names what is used; none for sources that are read once. Pure. */
export function sourceCurrent(seen: PackageSeen): readonly ConditionDraft[] {
  if (seen.type !== "resolved" || seen.recheck === undefined) return [];
  const { problem } = seen.recheck;
  const { digest } = seen.package;
  const type = "SourceCurrent";
  if (problem === undefined)
    return [{ type, status: "True", reason: "SourceUnchanged", message: `The source names "${digest}"` }];
  const message = `${problem.message}; "${digest}", which it named before, goes on`;
  return [{ type, status: "Unknown", reason: problem.reason, message }];
}
