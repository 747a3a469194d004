/** What of a recipe is the function's own code and configuration. Pure. */
import { canonicalJson } from "../../../lib/canonical-json.ts";
import type { Recipe } from "./recipe.ts";

/** Without what is no code and no configuration of the function: the installation's settings, the runtime's image, which Lambda renews too, and the tag that an image had. */
export function recipeIdentity(recipe: Recipe): Readonly<Record<string, unknown>> {
  const { document, image, code, sourceHash: _source, resolvedImage: _tag, runtimeImage: _runtime, ...others } = recipe;
  const { configurationID: _configuration, ...rest } = others;
  const { functionUid: _uid, revisionID: _revision, version: _version, ...configuration } = document;
  const { stopsBetweenInvocations: _stops, streamBytesPerSecond: _bytes, ...own } = configuration;
  return {
    ...{ rest, document: own, code: code.digest },
    ...(document.packageType === "Image" && { image }),
  };
}

/** True when one may stand for the other: they differ in what the installation sets alone. */
export function isSameConfiguration(a: Recipe, b: Recipe): boolean {
  return canonicalJson(recipeIdentity(a)) === canonicalJson(recipeIdentity(b));
}
