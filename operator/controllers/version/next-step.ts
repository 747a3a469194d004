/** What is to be done for a Version that is not published yet. Pure. */
import type { Reason } from "../../../crds/v1alpha1/condition.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { publishedNumber } from "../../restored.ts";
import { newestSnapshots, snapshotOf, type Candidate, type Snapshot } from "./snapshot.ts";

export interface StepSeen {
  readonly object: Stored<VersionObject>;
  /** The ARN is another account's or region's. */
  readonly isForeign: boolean;
  /** As the spec names it. */
  readonly functionTitle: string;
  readonly function: Stored<FunctionObject> | undefined;
  /** $LATEST; absent while its present spec does not run yet. */
  readonly current: Candidate | undefined;
  /** Of the function. */
  readonly snapshots: readonly Snapshot[];
  /** Names of the function's Versions that it has made by itself. */
  readonly selfPublished: ReadonlySet<string>;
  /** The other Versions of the function that have no snapshot. */
  readonly waiting: readonly Stored<VersionObject>[];
}

export type NextStep =
  | { readonly type: "publish"; readonly candidate: Candidate }
  /** Nothing has changed, or the claimed number is just this: the Version stands for what is there. */
  | { readonly type: "copy"; readonly of: Snapshot }
  | { readonly type: "wait"; readonly reason: Reason; readonly message: string }
  | { readonly type: "refuse"; readonly reason: Reason; readonly message: string };

export function decideNextStep(seen: StepSeen): NextStep {
  const step = decideStep(seen);
  return step.type === "publish" && isUnpinned(step.candidate) ? { type: "wait", ...notPinned(step.candidate) } : step;
}

/** What a tag names may be other bytes tomorrow, and a version runs the same for ever. */
function isUnpinned({ recipe }: Candidate): boolean {
  return recipe.runtimeImage?.isPinned === false;
}

function notPinned({ recipe: { image, document } }: Candidate) {
  const { runtime = "" } = document;
  const message = `Cannot publish with image "${image}" of runtime "${runtime}": it is a tag whose digest cannot be told yet; waiting for it, or for a digest in the chart's value runtimes."${runtime}".image`;
  return { reason: "RuntimeNotPinned" as const, message };
}

function decideStep(seen: StepSeen): NextStep {
  const { object, current, snapshots } = seen;
  if (seen.isForeign) {
    const message = `Cannot publish "${seen.functionTitle}": it is no function of this namespace and region; name one by its bare name`;
    return { type: "refuse", reason: "OtherAccount", message };
  }
  if (seen.function === undefined) {
    const message = `Cannot publish "${seen.functionTitle}": there is no such Function in this namespace; waiting for it`;
    return { type: "wait", reason: "FunctionNotFound", message };
  }
  if (current === undefined) return { type: "wait", reason: "FunctionNotReady", message: notReady(seen) };
  if (!hasCode(object, current)) return { type: "wait", reason: "CodeDiffers", message: otherCode(object, current) };
  const claimed = object.spec.version;
  if (claimed !== undefined) return decideClaim(claimed, current, seen);
  const first = firstInLine(seen, current);
  if (first !== undefined) {
    return { type: "wait", reason: "VersionQueued", message: `Version "${first}" of the same function comes first` };
  }
  const [newest] = newestSnapshots(snapshots);
  if (newest?.identity === current.identity) return { type: "copy", of: newest };
  return { type: "publish", candidate: current };
}

function notReady({ functionTitle, function: found }: StepSeen): string {
  const ready = found?.status?.conditions?.find(({ type }) => type === "Ready");
  const why = ready === undefined || ready.status === "True" ? "" : `: ${ready.message}`;
  return `Cannot publish "${functionTitle}": its present spec does not run yet${why}`;
}

function hasCode({ spec }: VersionObject, { recipe }: Candidate): boolean {
  return spec.codeSHA256 === undefined || spec.codeSHA256 === recipe.code.codeSHA256;
}

/** Source of the text: recording of PublishVersion. */
function otherCode({ spec }: VersionObject, { recipe }: Candidate): string {
  return `CodeSHA256 (${spec.codeSHA256 ?? ""}) is different from current CodeSHA256 in $LATEST (${recipe.code.codeSHA256}). Please try again with the CodeSHA256 in $LATEST.`;
}

/** What is claimed is published under its number, also where nothing has changed: else the end would depend on the order. */
function decideClaim(claimed: number, current: Candidate, { object, snapshots, selfPublished }: StepSeen): NextStep {
  const there = snapshots.find(({ version }) => version === claimed);
  if (there === undefined) return { type: "publish", candidate: current };
  if (there.identity !== current.identity) return { type: "refuse", ...numberTaken(claimed) };
  if (!selfPublished.has(there.publishedBy)) return { type: "copy", of: there };
  // As if it had come before what the function has published by itself.
  const { functionName, createdDate } = there;
  const { description } = object.spec;
  const own = { functionName, createdDate, version: claimed, description, publishedBy: object.metadata.name };
  return { type: "copy", of: snapshotOf({ ...current, ...own }) };
}

export function numberTaken(claimed: number): { readonly reason: Reason; readonly message: string } {
  const message = `Cannot publish as version ${claimed}: that number was given to other code or configuration and is never given again; make another Version, with another number or none`;
  return { reason: "NumberTaken", message };
}

/** Claims first, then in the order in which they came: of two that change nothing the second finds the first. Undefined: it is this one's turn. */
function firstInLine({ object, waiting }: StepSeen, current: Candidate): string | undefined {
  const before = waiting.filter((other) => mayPublish(other, current) && comesBefore(other, object));
  return before.sort((a, b) => (comesBefore(a, b) ? -1 : 1))[0]?.metadata.name;
}

function mayPublish(other: Stored<VersionObject>, current: Candidate): boolean {
  const { metadata, status } = other;
  const isRefused = status?.conditions?.some(
    (condition) => condition.type === "Stalled" && condition.status === "True" && condition.reason === "NumberTaken",
  );
  // One that was published and lost its snapshot publishes nothing any more.
  const isOver = isRefused === true || lostVersion(other) !== undefined || metadata.deletionTimestamp !== undefined;
  return !isOver && hasCode(other, current);
}

/** The number that a Version without a snapshot had; undefined: it was never published. */
export function lostVersion(object: VersionObject): number | undefined {
  const number = object.status?.version ?? publishedNumber(object);
  return number === 0 ? undefined : number;
}

function comesBefore(a: Stored<VersionObject>, b: Stored<VersionObject>): boolean {
  return ageOf(a) < ageOf(b);
}

function ageOf({ metadata, spec }: Stored<VersionObject>): string {
  return `${spec.version === undefined ? 1 : 0} ${metadata.creationTimestamp} ${metadata.uid}`;
}
