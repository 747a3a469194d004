/** From what is seen of a Version to what shall be: its snapshot, its status, what to tell. */
import { accountIdOf, annotations, functionArn, VERSION_FINALIZER } from "../../../crds/names.ts";
import type { AliasObject } from "../../../crds/v1alpha1/alias.ts";
import type { VersionObject, VersionStatus } from "../../../crds/v1alpha1/version.ts";
import type { GrantedConcurrency } from "../../../crds/v1alpha1/invoke-config.ts";
import { kinds, refOf } from "../../../lib/kubernetes/kinds.ts";
import { ownedBy, type Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Plan } from "../../../lib/kubernetes/plan.ts";
import { provisionedStatus, type ProvisionedSeen } from "../../concurrency/provisioned-status.ts";
import { provisionedHolder } from "../../concurrency/wishes.ts";
import type { ProvisionedWord } from "../../scaling/provisioned.ts";
import type { NumberSeen } from "../../number-taker.ts";
import type { Health } from "../function/conditions.ts";
import { awaitRestoreMs, isOrphan, publishedAnnotation } from "../../restored.ts";
import { decideConditions, decideEvents, type Progress } from "./conditions.ts";
import { decideHolders } from "./holders.ts";
import { decideNextStep, lostVersion, numberTaken, type NextStep, type StepSeen } from "./next-step.ts";
import { snapshotObject, snapshotOf, type Candidate, type Snapshot, type SnapshotObject } from "./snapshot.ts";

export interface VersionSeen extends StepSeen {
  /** What this Version stands for, once it is published. */
  readonly own: Stored<SnapshotObject> | undefined;
  /** All Versions of the function. */
  readonly siblings: readonly Stored<VersionObject>[];
  readonly aliases: readonly Stored<AliasObject>[];
  /** For the next version; absent while none is wanted. */
  readonly number?: NumberSeen | undefined;
  /** Of its environments; absent: nothing is known. */
  readonly health?: Health | undefined;
  /** Revision of its environments; absent without a Function. */
  readonly revisionID?: string | undefined;
  /** Of the function; undefined: nobody has looked yet. */
  readonly granted?: GrantedConcurrency | undefined;
  /** How environments that are kept ready do; undefined without a Function. */
  readonly provisioned?: ProvisionedWord | undefined;
  readonly region: string;
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
  /** ISO 8601. */
  readonly now: string;
}

/** The snapshot has to be kept before anything may refer to it. */
type Next = Progress | { readonly type: "keeping"; readonly object: SnapshotObject };

const waitingRecheckMs = 30_000;

export function decideVersion(seen: VersionSeen): Plan<VersionStatus> {
  const { object, own } = seen;
  if (object.metadata.deletionTimestamp !== undefined) return decideDeletion(seen);
  const finalizers = { add: [VERSION_FINALIZER] };
  const next = decideNext(seen);
  if (next.type === "keeping") {
    return { ...emptyPlan, finalizers, create: [next.object], outcome: "waiting", recheckAfterMs: 1000 };
  }
  const status = decideStatus(seen, next);
  // A backup brings it back without its owner.
  const isRestored = own !== undefined && isOrphan(own);
  return {
    ...emptyPlan,
    ...(own !== undefined && { finalizers, annotate: publishedAnnotation(object, own.data.version) }),
    adopt: isRestored ? [{ object: own, owner: ownedBy(object) }] : [],
    status,
    events: decideEvents(object, status),
    ...whenToLookAgain(next),
  };
}

function decideDeletion(seen: VersionSeen): Plan<VersionStatus> {
  const { object, own } = seen;
  const holders = own === undefined ? [] : decideHolders(seen, own.data.version);
  if (own !== undefined && holders.length > 0) {
    const status = decideStatus(seen, { type: "held", snapshot: own.data, holders });
    return { ...emptyPlan, status, events: decideEvents(object, status), outcome: "waiting" };
  }
  const remove = own === undefined ? [] : [{ ...refOf(kinds.controllerRevision, own), uid: own.metadata.uid }];
  return { ...emptyPlan, remove, finalizers: { remove: [VERSION_FINALIZER] } };
}

function decideNext(seen: VersionSeen): Next {
  const { own, object } = seen;
  if (own !== undefined) {
    const isCopy = own.data.publishedBy !== object.metadata.name;
    const { functionTitle } = seen;
    return { type: "published", snapshot: own.data, isCopy, functionTitle, hasFunction: seen.function !== undefined };
  }
  const lost = lostVersion(object);
  const afterMs = object.status?.version === undefined ? awaitRestoreMs(object, 0, seen.now) : 0;
  if (lost !== undefined && afterMs > 0) return { type: "underWay", ...snapshotAwaited(lost), afterMs };
  if (lost !== undefined) return { type: "failed", ...snapshotLost(lost) };
  const step = decideNextStep(seen);
  switch (step.type) {
    case "copy":
      return { type: "keeping", object: snapshotObject(object, step.of, seen.hash) };
    case "publish":
      return publish(seen, step.candidate);
    case "wait":
      return { ...step, type: "underWay", afterMs: waitingRecheckMs };
    case "refuse":
      return { ...step, type: "failed" };
  }
}

/** What a number is wanted for; undefined: there is nothing to publish. */
export function decideUnpublished(seen: StepSeen & Pick<VersionSeen, "own">): Candidate | undefined {
  const { object } = seen;
  const isOver = lostVersion(object) !== undefined || object.metadata.deletionTimestamp !== undefined;
  if (seen.own !== undefined || isOver) return undefined;
  const step: NextStep = decideNextStep(seen);
  return step.type === "publish" ? step.candidate : undefined;
}

function snapshotAwaited(version: number): { readonly reason: "RestoreAwaited"; readonly message: string } {
  const message = `Version ${version} was published before and its ControllerRevision is not here; waiting for it`;
  return { reason: "RestoreAwaited", message };
}

/** Publishing anew would give its users other code under the name that they know. */
function snapshotLost(version: number): { readonly reason: "SnapshotLost"; readonly message: string } {
  const message = `Version ${version} is lost: its ControllerRevision is gone; bring it back from a backup, or make another Version, without the annotation ${annotations.publishedVersion}`;
  return { reason: "SnapshotLost", message };
}

function publish(seen: VersionSeen, candidate: Candidate): Next {
  const { object, number, hash, now } = seen;
  switch (number?.type) {
    case "failed":
      return {
        type: "underWay",
        reason: "NumberUnavailable",
        message: number.message,
        afterMs: number.retryAfterMs,
      };
    case "refused":
      return { type: "failed", ...numberTaken(object.spec.version ?? 0) };
    case "taken": {
      const snapshot = snapshotOf({
        ...candidate,
        functionName: candidate.recipe.document.functionName,
        version: number.number,
        description: object.spec.description,
        publishedBy: object.metadata.name,
        createdDate: now,
      });
      return { type: "keeping", object: snapshotObject(object, snapshot, hash) };
    }
    default:
      return { type: "underWay", reason: "Publishing", message: "The version is being published" };
  }
}

function decideStatus(seen: VersionSeen, progress: Progress): VersionStatus {
  const { object, own } = seen;
  const provisioned = seeProvisioned(seen, progress);
  return {
    ...(own !== undefined && publishedStatus(seen, own.data, own.metadata.name)),
    ...(provisioned !== undefined && provisionedStatus(provisioned)),
    conditions: decideConditions({ object, progress, provisioned, health: seen.health, now: seen.now }),
    observedGeneration: object.metadata.generation ?? 0,
  };
}

/** Undefined: it wants none. */
function seeProvisioned(seen: VersionSeen, progress: Progress): ProvisionedSeen | undefined {
  const { object, own, granted, provisioned: word } = seen;
  const requested = object.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions;
  if (requested === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
  const qualifier = own === undefined ? undefined : String(own.data.version);
  const shares = qualifier === undefined ? {} : { [qualifier]: 1 };
  const unheard = progress.type === "failed" ? progress.message : otherConfiguration(seen, requested);
  return { requested, qualifier, shares, granted, word, before: object.status, unheard };
}

/** Of two that stand for one number the older is heard; where both want the same, both have it. */
function otherConfiguration({ object, own, siblings }: VersionSeen, requested: number): string | undefined {
  if (own === undefined) return undefined;
  const { version } = own.data;
  const holder = provisionedHolder(object, version, siblings);
  const held = holder?.spec.provisionedConcurrencyConfig?.provisionedConcurrentExecutions;
  if (holder === undefined || held === requested) return undefined;
  return `Cannot keep ${requested} environments ready for version ${version}: Version "${holder.metadata.name}" stands for it too, is older and asks for ${held ?? 0}; change the number there, or remove its provisionedConcurrencyConfig`;
}

function publishedStatus({ object, region, revisionID }: VersionSeen, snapshot: Snapshot, name: string): VersionStatus {
  const { functionName, version, recipe, settings, description, createdDate } = snapshot;
  const { document, code, serviceAccountName } = recipe;
  const accountId = accountIdOf(object.metadata.namespace ?? "");
  return {
    ...{ version, functionName, createdDate },
    snapshot: name,
    codeSHA256: code.codeSHA256,
    codeDigest: code.digest,
    codeSize: code.zippedBytes,
    functionARN: functionArn({ region, accountId, name: functionName, qualifier: String(version) }),
    memorySize: document.memorySize,
    timeout: document.timeoutSeconds,
    ...(description !== undefined && { description }),
    ...(document.runtime !== undefined && { runtime: document.runtime }),
    ...(recipe.runtimeImage !== undefined && { runtimeImage: recipe.image }),
    ...(document.handler !== undefined && { handler: document.handler }),
    ...(settings.role !== undefined && { role: settings.role }),
    ...(settings.deadLetterConfig?.targetARN !== undefined && {
      deadLetterTargetARN: settings.deadLetterConfig.targetARN,
    }),
    ...(serviceAccountName !== undefined && { serviceAccountName }),
    ...(revisionID !== undefined && { revisionID }),
  };
}

function whenToLookAgain(progress: Progress): Pick<Plan<VersionStatus>, "outcome" | "recheckAfterMs"> {
  const afterMs = progress.type === "underWay" ? progress.afterMs : undefined;
  const outcome = progress.type === "underWay" ? "waiting" : progress.type === "failed" ? "stalled" : "done";
  return { outcome, ...(afterMs !== undefined && { recheckAfterMs: afterMs }) };
}
