import type { ImageErrorCode } from "../../crds/wire/images.ts";
import type { AskForImage } from "../controllers/function/image-resolver.ts";
import type { PackageStoreClient } from "../package-store.ts";
import type { ImageFetch } from "./image-fetch.ts";

/** Registries hide what is private behind either of the two. */
const maybePrivate: readonly ImageErrorCode[] = ["ImageUnauthorized", "ImageNotFound"];

/** As nobody, by the package store; where that is not enough and there are pull secrets, by a pod that has them. */
export function createAskForImage(store: PackageStoreClient, images: ImageFetch): AskForImage {
  return async (object, request, signal) => {
    const answer = await store.resolveImage(request, signal);
    if (answer.outcome !== "failed" || !maybePrivate.includes(answer.code)) return { answer, byPod: false };
    const secrets = await images.pullSecrets(object, signal);
    if (secrets.length === 0) return { answer, byPod: false };
    return { answer: await images.lookUp(object, request, { secrets, signal }), byPod: true };
  };
}
