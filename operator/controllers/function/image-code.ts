/** An image as a function's code: what it was resolved to, what of it runs, and whether its tag still names it. Pure. */
import type { ConditionDraft, Reason } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject, FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { ImageErrorCode, ResolvedImage } from "../../../crds/wire/images.ts";
import type { Recipe } from "./recipe.ts";
import type { Problem } from "./served-fields.ts";

/** What the tag of a resolved image names now. */
export type TagSeen =
  | { readonly type: "current" }
  | { readonly type: "moved"; readonly digest: string }
  | { readonly type: "unknown"; readonly reason: Reason; readonly message: string };

export interface ImageSeen {
  readonly resolved: ResolvedImage;
  /** Absent: it has no tag, or has not been looked at again. */
  readonly tag?: TagSeen | undefined;
}

/** A closed map from the store's codes to a condition's reasons; the retried ones may mend themselves, or be mended elsewhere. */
export const imageErrors = {
  InvalidImageReference: { reason: "InvalidImage", isRetried: false },
  InvalidImage: { reason: "InvalidImage", isRetried: false },
  ImageArchitectureMismatch: { reason: "ImageArchitectureMismatch", isRetried: false },
  ImageNotFound: { reason: "ImageNotFound", isRetried: true },
  ImageUnauthorized: { reason: "ImageUnauthorized", isRetried: true },
  ImageRefused: { reason: "ImageRefused", isRetried: true },
  RegistryUnreachable: { reason: "RegistryUnreachable", isRetried: true },
  FetchFailed: { reason: "FetchFailed", isRetried: true },
  StoreUnavailable: { reason: "PackageStoreUnavailable", isRetried: true },
} as const satisfies Record<ImageErrorCode, { reason: Reason; isRetried: boolean }>;

export const imageReasons: readonly Reason[] = Object.values(imageErrors).map(({ reason }) => reason);
export const retriedImageReasons: readonly Reason[] = Object.values(imageErrors)
  .filter(({ isRetried }) => isRetried)
  .map(({ reason }) => reason);

/** By this text a source is known: another image or architecture is resolved anew. */
export function imageSource({ code, architectures }: FunctionSpec): string {
  return JSON.stringify({ type: "image", image: code.imageURI ?? "", architecture: architectures[0] ?? "x86_64" });
}

/** The hex of the digest is what AWS shows as CodeSha256 of an image. */
export function imagePackage({ digest }: ResolvedImage): Recipe["code"] {
  return { digest, codeSHA256: digest.slice("sha256:".length), zippedBytes: 0 };
}

/** Each member of imageConfig replaces its own setting of the image, and none clears another. */
export function imageProcess(
  image: ResolvedImage,
  { entryPoint, command, workingDirectory }: NonNullable<FunctionSpec["imageConfig"]> = {},
): { readonly argv: string[]; readonly workingDirectory: string } {
  const isSet = workingDirectory !== undefined && workingDirectory !== "";
  return {
    argv: [...(entryPoint ?? image.entryPoint), ...(command ?? image.command)],
    workingDirectory: isSet ? workingDirectory : image.workingDirectory,
  };
}

/** Why a resolved image cannot run. */
export function findImageProblem(spec: FunctionSpec, image: ResolvedImage): Problem | undefined {
  const [program = ""] = imageProcess(image, spec.imageConfig).argv;
  if (program !== "") return undefined;
  const message = `Cannot run image "${image.reference}": it has no ENTRYPOINT and no CMD; set imageConfig.entryPoint`;
  return { reason: "InvalidImage", message };
}

/** Where there are no containers. */
export function imagesNotServed({ code }: FunctionSpec): Problem {
  const message = `Cannot run image "${code.imageURI ?? ""}" here: local mode starts processes and no containers; run it on a cluster, or give the code as packageType Zip`;
  return { reason: "FieldNotServed", message };
}

/** While nothing is known, what was said before stands. */
export function tagCondition({ status, spec }: FunctionObject, image: ImageSeen | undefined): ConditionDraft {
  const type = "ImageCurrent";
  if (image === undefined)
    return { type, status: "Unknown", reason: "Resolving", message: "The image is not resolved" };
  const { tag } = image;
  const { reference, digest } = image.resolved;
  const named = `"${spec.code.imageURI ?? ""}"`;
  const before = status?.conditions?.find((condition) => condition.type === type);
  // Said of another digest it says nothing of this one.
  if (tag === undefined && before?.message.includes(digest) === true) {
    return { type, status: before.status, reason: before.reason as Reason, message: before.message };
  }
  switch (tag?.type) {
    case "moved": {
      const own = `${reference.slice(0, reference.indexOf("@"))}@${tag.digest}`;
      const message = `${named} names ${tag.digest} now; the function goes on with ${digest}; to run the new one set code.imageURI to "${own}"`;
      return { type, status: "False", reason: "ImageMoved", message };
    }
    case "unknown": {
      const message = `Whether ${named} still names ${digest} is not known: ${tag.message}`;
      return { type, status: "Unknown", reason: tag.reason, message };
    }
    default:
      return { type, status: "True", reason: "ImageCurrent", message: `${named} names ${digest}` };
  }
}
