import type { AliasObject } from "../../../crds/v1alpha1/alias.ts";

/** The Lambda name: `spec.name`, else the object's. */
export function aliasName({ metadata, spec }: AliasObject): string {
  return spec.name ?? metadata.name;
}
