/** What is said of a function's layers. Pure. */
import type { ConditionDraft } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { LayersSeen } from "./layer-use.ts";

/** None on functions without layers. */
export function layersCondition({
  object,
  layers,
}: {
  readonly object: FunctionObject;
  readonly layers: LayersSeen;
}): readonly ConditionDraft[] {
  const type = "LayersResolved";
  if ((object.spec.layers ?? []).length === 0) return [];
  if (layers.type !== "resolved") {
    const { reason, message } = layers;
    return [{ type, status: "False", reason, message }];
  }
  const versions = layers.layers.map(({ name, version }) => `"${name}" is version ${version}`);
  if (layers.kept.length === 0) return [{ type, status: "True", reason: "Resolved", message: versions.join("; ") }];
  return [{ type, status: "True", reason: "LayersKept", message: layers.kept.join("; ") }];
}
