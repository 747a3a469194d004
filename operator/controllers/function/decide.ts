/** From what is seen of a Function to what shall be: its recipe, its status, what to tell. */
import { LATEST, labels } from "../../../crds/names.ts";
import type { Reason } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject, FunctionStatus } from "../../../crds/v1alpha1/function.ts";
import { ownedBy, type Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Plan } from "../../../lib/kubernetes/plan.ts";
import { kinds, refOf } from "../../../lib/kubernetes/kinds.ts";
import type { ConcurrencyDecision } from "../../concurrency/decide.ts";
import type { PackageSeen } from "../../package-source.ts";
import { sourceRead } from "../../source-read.ts";
import { recipeObject, type ControllerRevision, type Recipe } from "./recipe.ts";
import { arnOf, decideRecipe, lambdaName, nodeArchitectureOf, type RecipeInput } from "./revision.ts";
import { findImageProblem, type ImageSeen } from "./image-code.ts";
import type { FunctionSettings } from "./settings.ts";
import { findUnservedField } from "./served-fields.ts";
import { decideRuntimeImage, keptRuntimeImage, type RuntimeImageSeen } from "./runtime-image.ts";
import { entryOf, noticeChangesAfterMs, runtimeStanding } from "./runtime-table.ts";
import { isSameConfiguration } from "./recipe-identity.ts";
import { findSizeProblem, layerTitle, type LayersSeen } from "./layer-use.ts";
import { decideConditions, decideEvents, type Health, type Progress } from "./conditions.ts";

export interface FunctionSeen {
  readonly object: Stored<FunctionObject>;
  /** `metadata.name` of the older Function that has the same Lambda name. */
  readonly nameHolder?: string | undefined;
  readonly code: PackageSeen;
  /** Of packageType Image, once `code` is resolved. */
  readonly image?: ImageSeen | undefined;
  readonly layers: LayersSeen;
  /** Of packageType Zip; absent where there are no containers. */
  readonly runtimeImage?: RuntimeImageSeen | undefined;
  /** Recipes that this Function owns. */
  readonly recipes: readonly Stored<ControllerRevision>[];
  readonly environments: { readonly total: number; readonly ready: number };
  /** Absent where another has its name. */
  readonly concurrency?: ConcurrencyDecision | undefined;
  /** Absent: nothing is known, e.g. after a restart. */
  readonly health?: Health | undefined;
  /** The code may change without a change of the Function: look again after so long. */
  readonly recheckAfterMs?: number | undefined;
  readonly settings: FunctionSettings;
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
  /** ISO 8601. */
  readonly now: string;
}

/** Its recipe has to be kept before anything may refer to it. */
interface Keeping {
  readonly type: "keeping";
  readonly recipe: Recipe;
}

const waitingRecheckMs = 5000;

/** A revision becomes active once its recipe is stored; until then, and when the new spec fails, the former one goes on. */
export function decideFunction(seen: FunctionSeen): Plan<FunctionStatus> {
  // What is made for an object that goes would keep it from going.
  if (seen.object.metadata.deletionTimestamp !== undefined) return emptyPlan;
  const serving = recipeOf(seen, seen.object.status?.revisionID);
  const progress = decideProgress(seen, serving);
  if (progress.type === "keeping")
    return { ...emptyPlan, create: [keptRecipe(seen, progress.recipe)], outcome: "waiting", recheckAfterMs: 1000 };
  const recipe = progress.type === "active" ? progress.recipe : serving;
  const status = decideStatus(seen, progress, recipe);
  return {
    ...emptyPlan,
    remove: progress.type === "active" ? outdated(seen, progress.recipe) : [],
    status,
    events: decideEvents(seen.object, status),
    ...whenToLookAgain(seen, progress),
  };
}

function decideProgress(seen: FunctionSeen, serving: Recipe | undefined): Progress | Keeping {
  const { object, nameHolder, code, settings } = seen;
  const { spec } = object;
  if (nameHolder !== undefined) {
    const message = `Cannot be function "${lambdaName(object)}": Function "${nameHolder}" is older and has that name; set another spec.name`;
    return { type: "failed", reason: "NameTaken", message };
  }
  const standing = runtimeStanding(spec, settings.runtimes, serving);
  if (standing.type === "refused") return { type: "failed", ...standing.problem };
  const problem = findUnservedField(spec);
  if (problem !== undefined) return { type: "failed", ...problem };
  switch (code.type) {
    case "resolving":
      return {
        type: "underWay",
        outcome: "waiting",
        reason: "Resolving",
        message: "The code is being fetched and checked",
      };
    case "waiting":
      return {
        type: "underWay",
        outcome: "waiting",
        reason: code.reason,
        message: code.message,
        afterMs: waitingRecheckMs,
      };
    case "retrying":
      return {
        type: "underWay",
        outcome: "waiting",
        reason: code.reason,
        message: code.message,
        afterMs: code.retryAfterMs,
      };
    case "refused":
      return { type: "failed", reason: code.reason, message: code.message };
    case "resolved":
      break;
  }
  const { layers } = seen;
  const codeDigest = code.package.digest;
  if (layers.type === "waiting")
    return { outcome: "waiting", afterMs: waitingRecheckMs, ...layers, type: "underWay", codeDigest };
  if (layers.type === "refused") return { ...layers, type: "failed", codeDigest };
  const sizeProblem = findSizeProblem(code.package, layers.layers);
  if (sizeProblem !== undefined) return { type: "failed", ...sizeProblem, codeDigest };
  const resolvedImage = seen.image?.resolved;
  const imageProblem = resolvedImage === undefined ? undefined : findImageProblem(spec, resolvedImage);
  if (imageProblem !== undefined) return { type: "failed", ...imageProblem, codeDigest };
  const make = (runtime: Pick<RecipeInput, "image" | "runtimeImage">): Recipe =>
    decideRecipe({
      ...settings,
      object,
      code: code.package,
      layers: layers.layers,
      sourceHash: code.sourceHash,
      ...(resolvedImage === undefined ? runtime : { image: resolvedImage.reference, resolvedImage }),
      hash: seen.hash,
    });
  const recipe = makeRecipe(seen, serving, make);
  if (recipe === undefined) {
    const message = `The image of runtime "${spec.runtime ?? ""}" is being looked up`;
    return { type: "underWay", outcome: "waiting", reason: "Resolving", message, codeDigest };
  }
  const { revisionID } = recipe.document;
  const isUnchanged = serving !== undefined && isSameConfiguration(recipe, serving);
  if (standing.type === "unchangedOnly" && !isUnchanged) return { type: "failed", ...standing.problem, codeDigest };
  const kept = recipeOf(seen, revisionID);
  return kept === undefined ? { type: "keeping", recipe } : { type: "active", recipe: kept };
}

/** Undefined while the image of its runtime is being looked up, which a function that stays as it is needs not. */
function makeRecipe(
  { object: { spec }, runtimeImage, settings }: FunctionSeen,
  serving: Recipe | undefined,
  make: (runtime: Pick<RecipeInput, "image" | "runtimeImage">) => Recipe,
): Recipe | undefined {
  const entry = entryOf(settings.runtimes, spec.runtime);
  if (runtimeImage === undefined) return make({ image: entry?.image ?? serving?.image ?? "" });
  const input = { entry, serving, seen: runtimeImage, nodeArchitecture: nodeArchitectureOf(spec) };
  const kept = keptRuntimeImage(input);
  const same = kept === undefined ? undefined : make(kept);
  if (same !== undefined && serving !== undefined && isSameConfiguration(same, serving)) return same;
  const runtime = decideRuntimeImage(input);
  return runtime === undefined ? undefined : make(runtime);
}

function decideStatus(seen: FunctionSeen, progress: Progress, recipe: Recipe | undefined): FunctionStatus {
  const { object, environments, settings } = seen;
  return {
    ...decideState(progress, recipe),
    ...(recipe !== undefined && {
      codeSHA256: recipe.code.codeSHA256,
      ...(recipe.resolvedImage === undefined
        ? { codeDigest: recipe.code.digest }
        : { resolvedImageURI: recipe.resolvedImage.reference }),
      codeSize: recipe.code.zippedBytes,
      revisionID: recipe.document.revisionID,
      ...(recipe.configurationID !== undefined && { configurationID: recipe.configurationID }),
      ...(recipe.runtimeImage !== undefined && { runtimeImage: recipe.image }),
      ...((recipe.layers ?? []).length > 0 && { layers: layersStatus(seen, recipe) }),
    }),
    ...sourceRead(seen.code, object.status?.source),
    version: LATEST,
    functionARN: arnOf(object, settings.region),
    ...functionUrl(seen),
    ...(seen.concurrency !== undefined && { concurrency: seen.concurrency.granted }),
    readyEnvironments: environments.ready,
    environments: environments.total,
    conditions: decideConditions({ ...seen, health: seen.health, progress, recipe }),
    observedGeneration: object.metadata.generation ?? 0,
  };
}

/** Of the one that has the name, whether it can run or not. */
function functionUrl({ object, nameHolder, settings }: FunctionSeen): Pick<FunctionStatus, "functionURL"> {
  if (object.spec.functionURLConfig === undefined || nameHolder !== undefined) return {};
  const owner = { namespace: object.metadata.namespace ?? "", functionName: lambdaName(object) };
  return { functionURL: settings.urlOf(owner) };
}

function layersStatus({ object, settings }: FunctionSeen, { layers = [] }: Recipe): FunctionStatus["layers"] {
  const own = { namespace: object.metadata.namespace ?? "", region: settings.region };
  return layers.map((layer) => ({ name: layerTitle(layer, own), version: layer.version, digest: layer.digest }));
}

/** Where Lambda has a code of its own, by which callers get an error of its own. Source: Lambda API model, StateReasonCode. */
const lambdasCodes: Partial<Readonly<Record<Reason, string>>> = {
  UnknownRuntime: "InvalidRuntime",
  BlockedRuntime: "InvalidRuntime",
  InvalidArchive: "InvalidZipFileException",
};

/** Source of states and codes: Lambda API model, State and LastUpdateStatus. */
function decideState(progress: Progress, recipe: Recipe | undefined): Partial<FunctionStatus> {
  if (progress.type === "active") return { state: "Active", lastUpdateStatus: "Successful" };
  const isFailed = progress.type === "failed";
  const reasonCode = lambdasCodes[progress.reason] ?? progress.reason;
  if (recipe !== undefined) {
    return {
      state: "Active",
      lastUpdateStatus: isFailed ? "Failed" : "InProgress",
      lastUpdateStatusReason: progress.message,
      lastUpdateStatusReasonCode: reasonCode,
    };
  }
  const state = isFailed ? "Failed" : "Pending";
  return { state, stateReason: progress.message, stateReasonCode: isFailed ? reasonCode : "Creating" };
}

function whenToLookAgain(
  { object, settings, now, recheckAfterMs = Infinity, runtimeImage }: FunctionSeen,
  progress: Progress,
): Pick<Plan<FunctionStatus>, "outcome" | "recheckAfterMs"> {
  const lookupAfterMs = runtimeImage?.type === "failed" ? runtimeImage.retryAfterMs : Infinity;
  const dateAfterMs = noticeChangesAfterMs(object.spec, settings.runtimes, now) ?? Infinity;
  const soonestMs = Math.min(recheckAfterMs, lookupAfterMs, dateAfterMs);
  const otherMs = soonestMs === Infinity ? undefined : soonestMs;
  const afterMs = (progress.type === "underWay" ? progress.afterMs : undefined) ?? otherMs;
  const outcome = progress.type === "underWay" ? progress.outcome : progress.type === "failed" ? "stalled" : "done";
  return { outcome, ...(afterMs !== undefined && { recheckAfterMs: afterMs }) };
}

function recipeOf({ recipes }: FunctionSeen, revisionID: string | undefined): Recipe | undefined {
  if (revisionID === undefined) return undefined;
  return recipes.find(({ data }) => data.document.revisionID === revisionID)?.data;
}

function keptRecipe({ object }: FunctionSeen, recipe: Recipe): ControllerRevision {
  const { namespace = "", name, uid } = object.metadata;
  const owner = ownedBy(object);
  return recipeObject({ namespace, functionName: name, labels: { [labels.functionUid]: uid }, owner, recipe });
}

function outdated({ recipes }: FunctionSeen, current: Recipe): Plan<FunctionStatus>["remove"] {
  return recipes
    .filter(({ data }) => data.document.revisionID !== current.document.revisionID)
    .map((recipe) => ({ ...refOf(kinds.controllerRevision, recipe), uid: recipe.metadata.uid }));
}
