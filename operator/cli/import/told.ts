/** What the operator will say of a spec: the same words as in its conditions. Pure. */
import type { AliasSpec } from "../../../crds/v1alpha1/alias.ts";
import type { FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { ConditionDraft } from "../../../crds/v1alpha1/condition.ts";
import type { LayerSpec } from "../../../crds/v1alpha1/layer.ts";
import type { VersionSpec } from "../../../crds/v1alpha1/version.ts";
import { ignored as ignoredOfAlias } from "../../controllers/alias/conditions.ts";
import { findUnservedField, ignoredFields } from "../../controllers/function/served-fields.ts";
import { notServedMessage } from "../../controllers/not-served/decide.ts";
import { ignored as ignoredOfVersion } from "../../controllers/version/conditions.ts";
import { findUnservedSource } from "../../package-source.ts";

/** `spec`: one that has passed the schema of its kind. */
export function toldOf(kind: string, spec: unknown): readonly string[] {
  switch (kind) {
    case "Function": {
      const given = spec as FunctionSpec;
      return [...ignoredFields(given), ...messageOf(findUnservedField(given))];
    }
    case "Layer":
      return messageOf(findUnservedSource("content", (spec as LayerSpec).content));
    case "Version":
      return ignoredNotes(ignoredOfVersion({ spec: spec as VersionSpec }));
    case "Alias":
      return ignoredNotes(ignoredOfAlias({ spec: spec as AliasSpec }));
    default:
      return [notServedMessage(kind)];
  }
}

function messageOf(problem: { readonly message: string } | undefined): readonly string[] {
  return problem === undefined ? [] : [problem.message];
}

function ignoredNotes({ status, message }: ConditionDraft): readonly string[] {
  return status === "True" ? [message] : [];
}
