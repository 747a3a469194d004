/** Which image a function's runtime is: the chart names one, by digest or by a tag that is looked up once. Pure. */
import type { ConditionDraft, Reason } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { Recipe } from "./recipe.ts";
import type { RuntimeEntry } from "./runtime-table.ts";

export type RuntimeImageSeen =
  /** The chart names a digest, or there are no containers here. */
  | { readonly type: "asNamed" }
  | { readonly type: "asking" }
  | { readonly type: "resolved"; readonly reference: string }
  | { readonly type: "failed"; readonly reason: Reason; readonly message: string; readonly retryAfterMs: number };

/** What runs, and what the chart named when it was chosen; not pinned: a tag whose digest nobody could tell. */
export interface RuntimeImage {
  readonly image: string;
  readonly runtimeImage: NonNullable<Recipe["runtimeImage"]>;
}

/** A digest names the same for ever. */
export function isPinnedName(image: string): boolean {
  return /@sha256:[0-9a-f]{64}$/.test(image);
}

/** What the function goes on with while its configuration stays and the chart names what it did. Undefined: it is to be looked up. */
export function keptRuntimeImage({ entry, serving, seen }: RuntimeImageInput): RuntimeImage | undefined {
  const { runtimeImage, image } = serving ?? {};
  if (image === undefined || runtimeImage === undefined || runtimeImage.named !== entry?.image) return undefined;
  return runtimeImage.isPinned || seen.type === "asking" ? { image, runtimeImage } : undefined;
}

function isPinnedFrom(recipe: Recipe | undefined, named: string, nodeArchitecture: string): boolean {
  const { named: before, isPinned } = recipe?.runtimeImage ?? {};
  return before === named && isPinned === true && recipe?.nodeArchitecture === nodeArchitecture;
}

export interface RuntimeImageInput {
  /** Absent: the table has it no more. */
  readonly entry: RuntimeEntry | undefined;
  readonly serving: Recipe | undefined;
  readonly seen: RuntimeImageSeen;
  readonly nodeArchitecture: string;
}

/** Undefined while it is being looked up. Where that fails, what was found before stands, else the tag itself runs. */
export function decideRuntimeImage({
  entry,
  serving,
  seen,
  nodeArchitecture,
}: RuntimeImageInput): RuntimeImage | undefined {
  const named = entry?.image;
  const kept = serving?.runtimeImage ?? ofFormerRelease(serving?.image ?? "");
  if (named === undefined) return { image: serving?.image ?? "", runtimeImage: kept };
  switch (seen.type) {
    case "asking":
      return undefined;
    case "asNamed":
      return { image: named, runtimeImage: { named, isPinned: true } };
    case "resolved":
      return { image: seen.reference, runtimeImage: { named, isPinned: true } };
    case "failed":
      return isPinnedFrom(serving, named, nodeArchitecture)
        ? { image: serving?.image ?? named, runtimeImage: kept }
        : { image: named, runtimeImage: { named, isPinned: false } };
  }
}

/** Which kept no more than the image itself. */
function ofFormerRelease(image: string): RuntimeImage["runtimeImage"] {
  return { named: image, isPinned: isPinnedName(image) };
}

/** On functions whose runtime is an image. */
export function runtimeCondition(
  { spec, status }: FunctionObject,
  recipe: Recipe | undefined,
  seen: RuntimeImageSeen,
): readonly ConditionDraft[] {
  const type = "RuntimeResolved";
  const { runtime = "" } = spec;
  if (recipe?.runtimeImage === undefined) return [];
  if (recipe.runtimeImage.isPinned) {
    return [{ type, status: "True", reason: "Resolved", message: `Runtime "${runtime}" is image "${recipe.image}"` }];
  }
  const before = status?.conditions?.find((condition) => condition.type === type);
  // Asked again and again: its text stays while nothing new is known.
  if (seen.type !== "failed" && before?.status === "False")
    return [{ type, status: "False", reason: before.reason as Reason, message: before.message }];
  const why = seen.type === "failed" ? `: ${seen.message}` : "";
  const message = `Runtime "${runtime}" is image "${recipe.image}", a tag whose digest is not known${why}; no version is published with it; set the chart's value runtimes."${runtime}".image to a digest`;
  return [{ type, status: "False", reason: "RuntimeNotPinned", message }];
}
