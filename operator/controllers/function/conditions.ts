/** A Function's conditions and the events that go with their changes. Pure. */
import {
  removeCondition,
  setCondition,
  type Condition,
  type ConditionDraft,
  type Reason,
} from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject, FunctionStatus } from "../../../crds/v1alpha1/function.ts";
import type { EventDraft, Outcome } from "../../../lib/kubernetes/plan.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { packageReasons, retriedPackageReasons, type PackageSeen } from "../../package-source.ts";
import { sourceCurrent } from "../../source-current.ts";
import { imageReasons, retriedImageReasons, tagCondition, type ImageSeen } from "./image-code.ts";
import type { FunctionSettings } from "./settings.ts";
import { decideShape } from "./generic-pod.ts";
import type { ConcurrencyDecision } from "../../concurrency/decide.ts";
import { withConcurrency, withoutConcurrency } from "./concurrency-condition.ts";
import type { Recipe } from "./recipe.ts";
import { layersCondition } from "./layer-condition.ts";
import { extensionFiles, type LayersSeen } from "./layer-use.ts";
import { runtimeCondition, type RuntimeImageSeen } from "./runtime-image.ts";
import { runtimeNotice, type RuntimeTable } from "./runtime-table.ts";
import { fieldsIgnored, type Problem } from "./served-fields.ts";

/** How environments have come up lately. */
export type Health = { readonly ok: true } | { readonly ok: false; readonly reason: Reason; readonly message: string };

/** How the latest spec fares. */
export type Progress =
  | { readonly type: "active"; readonly recipe: Recipe }
  | {
      readonly type: "underWay";
      readonly outcome: Outcome;
      readonly reason: Reason;
      readonly message: string;
      readonly afterMs?: number;
      /** Set when it is not the code that is waited for. */
      readonly codeDigest?: string;
    }
  | ({ readonly type: "failed"; readonly codeDigest?: string } & Problem);

export interface ConditionsInput {
  readonly object: Stored<FunctionObject>;
  readonly progress: Progress;
  /** What serves calls, if anything does. */
  readonly recipe: Recipe | undefined;
  readonly health: Health | undefined;
  readonly code: PackageSeen;
  readonly layers: LayersSeen;
  readonly image?: ImageSeen | undefined;
  readonly runtimeImage?: RuntimeImageSeen | undefined;
  readonly concurrency?: ConcurrencyDecision | undefined;
  readonly settings: Pick<FunctionSettings, "runtimes" | "hasPodResources" | "genericPods">;
  /** ISO 8601. */
  readonly now: string;
}

/** All conditions, from the first visit on. */
export function decideConditions(input: ConditionsInput): Condition[] {
  const { object, now } = input;
  const ignored = fieldsIgnored(object.spec, memoryMeaning(input));
  const resolved = [
    ...sourceCurrent(input.code),
    ...imageConditions(input),
    ...runtimeConditions(input),
    ...layersCondition(input),
  ];
  const others = [...resolved, ignored, healthCondition(input), ...shapeCondition(input)];
  const drafts = withConcurrency(input, [...progressConditions(input), ...others]);
  const stamp = { observedGeneration: object.metadata.generation ?? 0, now };
  const layersTold = withoutLayers(object) ? removeCondition(told(object), "LayersResolved") : told(object);
  const isLooked = object.spec.code.recheckSeconds !== undefined;
  const sourceTold = isLooked ? layersTold : removeCondition(layersTold, "SourceCurrent");
  const before = withoutConcurrency(object, sourceTold);
  return drafts.reduce<Condition[]>((all, draft) => setCondition(all, draft, stamp), before);
}

function told({ status }: FunctionObject): Condition[] {
  return status?.conditions ?? [];
}

function withoutLayers({ spec }: FunctionObject): boolean {
  return (spec.layers ?? []).length === 0;
}

/** Without one limit over all containers each has its own. */
function memoryMeaning({ recipe, settings }: ConditionsInput): readonly string[] {
  if (settings.hasPodResources || extensionFiles(recipe?.layers ?? []).length === 0) return [];
  return [
    "spec.memorySize: the limit of runtime and of each extension by itself, for this cluster limits no whole pods",
  ];
}

/** Where there are no containers all is processes. */
function shapeCondition({ recipe, settings }: ConditionsInput): readonly ConditionDraft[] {
  if (recipe === undefined || settings.genericPods === undefined) return [];
  const { isGeneric, reason, message } = decideShape(recipe, { genericPods: settings.genericPods });
  return [{ type: "GenericPods", status: isGeneric ? "True" : "False", reason, message }];
}

function runtimeConditions({ object, recipe, runtimeImage }: ConditionsInput): readonly ConditionDraft[] {
  return runtimeImage === undefined ? [] : runtimeCondition(object, recipe, runtimeImage);
}

function progressConditions({ progress, recipe, object, settings, now }: ConditionsInput): readonly ConditionDraft[] {
  if (progress.type === "active") {
    const { reason, message } = availability(object, settings.runtimes, now);
    return [
      { type: "Ready", status: "True", reason, message },
      { type: "Reconciling", status: "False", reason: "Available", message: "Nothing is under way" },
      { type: "Stalled", status: "False", reason: "Available", message: "Nothing is in the way" },
      codeResolved(progress.recipe.resolvedImage?.reference ?? progress.recipe.code.digest),
    ];
  }
  const { reason, message } = progress;
  const isFailed = progress.type === "failed";
  const goesOn = recipe === undefined ? "" : `; revision "${recipe.document.revisionID}" goes on`;
  const status = isFailed || recipe === undefined ? "False" : "Unknown";
  const isAboutCode = codeReasons.has(reason);
  return [
    {
      type: "Ready",
      status,
      reason: isFailed && recipe !== undefined ? "UpdateFailed" : reason,
      message: `${message}${goesOn}`,
    },
    { type: "Reconciling", status: isFailed ? "False" : "True", reason, message },
    {
      type: "Stalled",
      status: isFailed ? "True" : "False",
      reason,
      message: isFailed ? message : "Nothing but time is in the way",
    },
    progress.codeDigest !== undefined
      ? codeResolved(progress.codeDigest)
      : isAboutCode || !isFailed
        ? { type: "CodeResolved", status: "False", reason, message }
        : {
            type: "CodeResolved",
            status: "Unknown",
            reason,
            message: "The code has not been looked at: another field is in the way",
          },
  ];
}

function codeResolved(digest: string): ConditionDraft {
  return { type: "CodeResolved", status: "True", reason: "Resolved", message: `The code is "${digest}"` };
}

const codeReasons: ReadonlySet<Reason> = new Set<Reason>([
  ...packageReasons,
  ...imageReasons,
  "SourceNotServed",
  "ConfigMapNotFound",
]);

function imageConditions({ object, image }: ConditionsInput): readonly ConditionDraft[] {
  return object.spec.packageType === "Image" ? [tagCondition(object, image)] : [];
}

function availability({ spec }: FunctionObject, runtimes: RuntimeTable, now: string): Problem {
  const notice = runtimeNotice(spec, runtimes, now);
  const hasValues = Object.keys(spec.environment?.valueFrom ?? {}).length > 0;
  const read = hasValues
    ? "; values of environment.valueFrom are read when an environment starts, and stay for its life"
    : "";
  const message = `The function can be invoked${read}`;
  if (notice === undefined) return { reason: "Available", message };
  return { reason: notice.reason, message: `${message}; ${notice.message}` };
}

/** While nothing is known, what was said before stands. */
function healthCondition({ health, object }: ConditionsInput): ConditionDraft {
  const type = "EnvironmentsHealthy";
  if (health?.ok === false) return { type, status: "False", reason: health.reason, message: health.message };
  const before = object.status?.conditions?.find((condition) => condition.type === type);
  if (health === undefined && before?.status === "False") {
    return { type, status: "False", reason: before.reason as Reason, message: before.message };
  }
  return { type, status: "True", reason: "Healthy", message: "No environment failed lately" };
}

/** One event for each condition that has got another reason or message for the worse, and one when it becomes ready. */
export function decideEvents({ status }: FunctionObject, next: FunctionStatus): readonly EventDraft[] {
  const before = new Map((status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const changed = sourceChanged(status, next);
  const events = (next.conditions ?? []).flatMap((condition): EventDraft[] => {
    const { type, reason, message } = condition;
    const last = before.get(type);
    if (last?.status === condition.status && last.reason === reason && last.message === message) return [];
    if (type === "Ready" && condition.status === "True") {
      const isNew = last?.status !== "True" || status?.revisionID !== next.revisionID;
      return isNew
        ? [{ type: "Normal", reason, action: "Activate", note: `${message} (revision "${next.revisionID ?? ""}")` }]
        : [];
    }
    if (type === "RuntimeResolved" && condition.status === "False")
      return [{ type: "Warning", reason, action: "ResolveRuntime", note: message }];
    const isBad =
      (type === "Stalled" && condition.status === "True") ||
      (type === "EnvironmentsHealthy" && condition.status === "False");
    if (type === "ImageCurrent" && condition.status === "False")
      return [{ type: "Warning", reason, action: "CheckImage", note: message }];
    if (isBad)
      return [
        { type: "Warning", reason, action: type === "Stalled" ? "Reconcile" : "StartEnvironment", note: message },
      ];
    const isRetried = type === "CodeResolved" && condition.status === "False" && retriedReasons.has(reason);
    if (isRetried) return [{ type: "Warning", reason, action: "ResolveCode", note: message }];
    const isLayers = type === "LayersResolved" && (condition.status === "False" || reason === "LayersKept");
    if (type === "SourceCurrent" && condition.status !== "True")
      return [{ type: "Warning", reason, action: "ResolveCode", note: message }];
    return isLayers ? [{ type: "Warning", reason, action: "ResolveLayers", note: message }] : [];
  });
  return [...changed, ...events];
}

/** Other code without another spec. */
function sourceChanged(before: FunctionStatus | undefined, next: FunctionStatus): readonly EventDraft[] {
  const isSameSpec = before?.observedGeneration === next.observedGeneration;
  if (!isSameSpec || before?.codeDigest === undefined || before.codeDigest === next.codeDigest) return [];
  const note = `The source has other code now: "${before.codeDigest}" became "${next.codeDigest ?? ""}"`;
  return [{ type: "Normal", reason: "SourceChanged", action: "ResolveCode", note }];
}

const retriedReasons: ReadonlySet<string> = new Set<Reason>([
  ...retriedPackageReasons,
  ...retriedImageReasons,
  "ConfigMapNotFound",
]);
