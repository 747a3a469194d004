/** From what is seen of a Layer to what shall be: its next version, its status, what to tell. */
import { accountIdOf, labels, layerArn } from "../../../crds/names.ts";
import type { LayerObject, LayerStatus } from "../../../crds/v1alpha1/layer.ts";
import { canonicalJson } from "../../../lib/canonical-json.ts";
import { ownedBy, type Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Adoption, type Plan } from "../../../lib/kubernetes/plan.ts";
import type { NumberSeen } from "../../number-taker.ts";
import type { PackageSeen } from "../../package-source.ts";
import { awaitRestoreMs, isOrphan, publishedAnnotation, publishedNumber } from "../../restored.ts";
import { decideConditions, decideEvents, type Progress } from "./conditions.ts";
import {
  layerName,
  layerVersionObject,
  newestFirst,
  type LayerContent,
  type LayerVersion,
  type LayerVersionObject,
} from "./layer-version.ts";
import { sourceRead } from "../../source-read.ts";
import { decideVersions } from "./versions-status.ts";

export interface LayerSeen {
  readonly object: Stored<LayerObject>;
  /** `metadata.name` of the older Layer that has the same Lambda name. */
  readonly nameHolder?: string | undefined;
  readonly content: PackageSeen;
  /** Versions that this Layer owns. */
  readonly versions: readonly Stored<LayerVersionObject>[];
  /** For the next version; absent while none is wanted. */
  readonly number?: NumberSeen | undefined;
  readonly region: string;
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
  /** ISO 8601. */
  readonly now: string;
}

/** A version has to be kept before anything may refer to it. */
interface Keeping {
  readonly type: "keeping";
  readonly version: LayerVersionObject;
}

const waitingRecheckMs = 5000;

/** The newest version is what the spec says once it is stored; until then, and when the new spec fails, the former ones go on. */
export function decideLayer(seen: LayerSeen): Plan<LayerStatus> {
  const { object } = seen;
  // What is made for an object that goes would keep it from going.
  if (object.metadata.deletionTimestamp !== undefined) return emptyPlan;
  const progress = decideProgress(seen);
  if (progress.type === "keeping")
    return { ...emptyPlan, create: [progress.version], outcome: "waiting", recheckAfterMs: 1000 };
  const status = decideStatus(seen, progress);
  return {
    ...emptyPlan,
    annotate: publishedAnnotation(object, status.latestVersion ?? 0),
    adopt: adoptions(seen),
    status,
    events: decideEvents(object, status),
    ...whenToLookAgain(seen, progress),
  };
}

/** Versions that a backup brought back without their owner. */
function adoptions({ object, versions, nameHolder }: LayerSeen): readonly Adoption[] {
  if (nameHolder !== undefined) return [];
  const [owner, own] = [ownedBy(object), { [labels.layerUid]: object.metadata.uid }];
  return versions.filter(isOrphan).map((version) => ({ object: version, owner, labels: own }));
}

export type UnpublishedSeen = Pick<LayerSeen, "object" | "content" | "versions" | "nameHolder" | "now">;

/** The content that has no version yet; undefined when it is not known, the newest version is just this, or versions may still come from a backup. */
export function decideUnpublished(seen: UnpublishedSeen): LayerContent | undefined {
  const { object, content, versions, nameHolder, now } = seen;
  const isOver = nameHolder !== undefined || object.metadata.deletionTimestamp !== undefined;
  const kept = newestFirst(versions);
  if (isOver || content.type !== "resolved" || restoreMsOf(object, kept, now) > 0) return undefined;
  const wanted = contentOf(object, content);
  const [newest] = kept;
  return newest !== undefined && identityOf(newest) === identityOf(wanted) ? undefined : wanted;
}

/** How long versions may still come back from a backup; only from the first look on: what is missing later was deleted. */
export function restoreMsOf(object: Stored<LayerObject>, newest: readonly LayerVersion[], now: string): number {
  const told = object.status?.conditions?.find(({ type }) => type === "Reconciling");
  if (told !== undefined && told.reason !== "RestoreAwaited") return 0;
  return awaitRestoreMs(object, newest[0]?.version ?? 0, now);
}

function contentOf(
  { spec }: LayerObject,
  { package: found }: PackageSeen & { readonly type: "resolved" },
): LayerContent {
  const { description, licenseInfo, compatibleRuntimes, compatibleArchitectures } = spec;
  const { digest, codeSHA256, zippedBytes, unzippedBytes = 0, extensions = [] } = found;
  return {
    ...{ digest, codeSHA256, zippedBytes, unzippedBytes, extensions },
    ...(description !== undefined && { description }),
    ...(licenseInfo !== undefined && { licenseInfo }),
    ...(compatibleRuntimes !== undefined && { compatibleRuntimes: [...compatibleRuntimes].sort() }),
    ...(compatibleArchitectures !== undefined && { compatibleArchitectures: [...compatibleArchitectures].sort() }),
  };
}

/** Equal for contents that are one version: the same bytes under the same description. */
export function identityOf(content: LayerContent): string {
  const { digest, description, licenseInfo, compatibleRuntimes, compatibleArchitectures } = content;
  return canonicalJson({ digest, description, licenseInfo, compatibleRuntimes, compatibleArchitectures });
}

function decideProgress(seen: LayerSeen): Progress | Keeping {
  const { object, nameHolder, content, versions } = seen;
  if (nameHolder !== undefined) {
    const message = `Cannot be layer "${layerName(object)}": Layer "${nameHolder}" is older and has that name; set another spec.name`;
    return { type: "failed", reason: "NameTaken", message };
  }
  const kept = newestFirst(versions);
  const afterMs = restoreMsOf(object, kept, seen.now);
  if (afterMs > 0) {
    const message = `Version ${publishedNumber(object)} was published before and its ControllerRevision is not here; waiting for it`;
    return { type: "underWay", reason: "RestoreAwaited", message, afterMs };
  }
  switch (content.type) {
    case "resolving":
      return { type: "underWay", reason: "Resolving", message: "The content is being fetched and checked" };
    case "waiting":
      return { ...content, type: "underWay", afterMs: waitingRecheckMs };
    case "retrying":
      return { ...content, type: "underWay", afterMs: content.retryAfterMs };
    case "refused":
      return { ...content, type: "failed" };
    case "resolved":
      break;
  }
  const wanted = decideUnpublished(seen);
  const [newest] = kept;
  if (wanted !== undefined) return publish(seen, wanted, content);
  return { type: "active", version: newest?.version ?? 0, digest: content.package.digest };
}

function publish(
  seen: LayerSeen,
  wanted: LayerContent,
  content: PackageSeen & { readonly type: "resolved" },
): Progress | Keeping {
  const { object, number, hash, now } = seen;
  const { digest } = wanted;
  if (number?.type === "failed") {
    const { message, retryAfterMs: afterMs } = number;
    return { type: "underWay", reason: "NumberUnavailable", message, afterMs, digest };
  }
  if (number?.type !== "taken")
    return { type: "underWay", reason: "Publishing", message: "The next version is being published", digest };
  const { sourceHash } = content;
  const version = { ...wanted, name: layerName(object), version: number.number, createdDate: now, sourceHash };
  return { type: "keeping", version: layerVersionObject(object, version, hash) };
}

function decideStatus(seen: LayerSeen, progress: Progress): LayerStatus {
  const { object, region, now } = seen;
  const versions = newestFirst(seen.versions);
  const latestVersion = versions[0]?.version;
  const accountId = accountIdOf(object.metadata.namespace ?? "");
  return {
    versions: decideVersions(versions),
    ...(latestVersion !== undefined && { latestVersion }),
    ...sourceRead(seen.content, object.status?.source),
    layerARN: layerArn({ region, accountId, name: layerName(object) }),
    conditions: decideConditions({ object, progress, latestVersion, content: seen.content, now }),
    observedGeneration: object.metadata.generation ?? 0,
  };
}

function whenToLookAgain(
  { content }: LayerSeen,
  progress: Progress,
): Pick<Plan<LayerStatus>, "outcome" | "recheckAfterMs"> {
  const recheckMs = content.type === "resolved" ? content.recheck?.afterMs : undefined;
  const afterMs = (progress.type === "underWay" ? progress.afterMs : undefined) ?? recheckMs;
  const outcome = progress.type === "underWay" ? "waiting" : progress.type === "failed" ? "stalled" : "done";
  return { outcome, ...(afterMs !== undefined && { recheckAfterMs: afterMs }) };
}
