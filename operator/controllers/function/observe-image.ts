/** What is known of the image that a Function names. */
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import { keyOf, type Stored } from "../../../lib/kubernetes/object.ts";
import type { PackageSeen } from "../../package-source.ts";
import { imagePackage, imageSource, imagesNotServed, type ImageSeen } from "./image-code.ts";
import type { ImageResolver } from "./image-resolver.ts";
import type { ControllerRevision } from "./recipe.ts";

export interface ImageLook {
  readonly code: PackageSeen;
  readonly image?: ImageSeen;
  readonly recheckAfterMs?: number;
}

/** `images` is undefined where there are no containers. */
export function seeImage(
  images: ImageResolver | undefined,
  object: Stored<FunctionObject>,
  recipes: readonly Stored<ControllerRevision>[],
  hash: (text: string) => string,
): ImageLook {
  if (images === undefined) return { code: { type: "refused", ...imagesNotServed(object.spec) } };
  const key = keyOf(object);
  const sourceHash = hash(imageSource(object.spec));
  const wanted = { object, sourceHash };
  // What the image was resolved to stands as long as the Function names it, over restarts too.
  const kept = recipes.find(({ data }) => data.sourceHash === sourceHash)?.data.resolvedImage;
  if (kept === undefined) {
    const { code, image } = images.look(key, wanted);
    return { code, ...(image !== undefined && { image: { resolved: image } }) };
  }
  const { tag, againAfterMs } = images.lookAtTag(key, wanted, kept);
  return {
    code: { type: "resolved", sourceHash, package: imagePackage(kept) },
    image: { resolved: kept, tag },
    ...(againAfterMs !== undefined && { recheckAfterMs: againAfterMs }),
  };
}
