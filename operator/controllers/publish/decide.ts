/** From a Function that publishes by itself to the Versions and the Alias that it makes and drops: ours alone, never a user's. */
import { effectiveRoute, versionsOf } from "../../../crds/alias-route.ts";
import { annotations, API_VERSION, VERSION_FINALIZER } from "../../../crds/names.ts";
import { aliasKind, type AliasObject } from "../../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import { versionKind, type VersionObject } from "../../../crds/v1alpha1/version.ts";
import { refOf } from "../../../lib/kubernetes/kinds.ts";
import { ownedBy, type KubernetesObject, type Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Adoption, type Plan, type Removal } from "../../../lib/kubernetes/plan.ts";
import { awaitRestoreMs, isOrphan, publishedAnnotation } from "../../restored.ts";
import { isSelfPublished } from "../../self-published.ts";
import { aliasName } from "../alias/alias-name.ts";
import { newestSnapshots, type Candidate, type Snapshot } from "../version/snapshot.ts";

export interface PublishSeen {
  readonly object: Stored<FunctionObject>;
  /** $LATEST; absent while its present spec does not run yet. */
  readonly current: Candidate | undefined;
  /** Of the function. */
  readonly snapshots: readonly Snapshot[];
  readonly versions: readonly Stored<VersionObject>[];
  readonly aliases: readonly Stored<AliasObject>[];
  /** An older Function has the name. */
  readonly isShadowed: boolean;
  /** SHA-256, hex. */
  readonly hash: (text: string) => string;
  /** ISO 8601. */
  readonly now: string;
}

/** `autoPublishAlias` asks for versions too, as it does in a SAM template. */
export function decidePublishing(seen: PublishSeen): Plan<never> {
  const { object, isShadowed, snapshots, now } = seen;
  if (object.metadata.deletionTimestamp !== undefined || isShadowed) return emptyPlan;
  const [newest] = newestSnapshots(snapshots);
  const plan = {
    ...emptyPlan,
    annotate: publishedAnnotation(object, newest?.version ?? 0),
    adopt: adoptions(seen),
    remove: outdated(seen),
  };
  const afterMs = awaitRestoreMs(object, newest?.version ?? 0, now);
  if (afterMs > 0) return { ...plan, outcome: "waiting", recheckAfterMs: afterMs };
  return { ...plan, create: [...newVersion(seen), ...newAlias(seen)] };
}

/** What a backup brought back without its owner. */
function adoptions({ object, versions, aliases }: PublishSeen): readonly Adoption[] {
  const owner = ownedBy(object);
  const children = [...versions, ...aliases].filter((part) => isOrphan(part) && isSelfPublished(object, part));
  return children.map((child) => ({ object: child, owner }));
}

function newVersion(seen: PublishSeen): readonly KubernetesObject[] {
  const { object, current, snapshots, versions, hash } = seen;
  if ((!object.spec.publish && object.spec.autoPublishAlias === undefined) || current === undefined) return [];
  const [newest] = newestSnapshots(snapshots);
  if (newest?.identity === current.identity) return [];
  if (versions.some((version) => isWaiting(version) && isSelfPublished(object, version))) return [];
  // What is published again after another version has a name of its own, too.
  const suffix = hash(`${current.identity}/${newest?.version ?? 0}`).slice(0, 10);
  const version = child(object, "Version", `${shortened(object)}-${suffix}`, {});
  return [{ ...version, metadata: { ...version.metadata, finalizers: [VERSION_FINALIZER] } }];
}

/** It publishes what $LATEST is when its turn comes. */
function isWaiting({ metadata, status }: Stored<VersionObject>): boolean {
  const isStalled = status?.conditions?.some(
    (condition) => condition.type === "Stalled" && condition.status === "True",
  );
  return metadata.deletionTimestamp === undefined && status?.version === undefined && isStalled !== true;
}

/** Without `functionVersion` it follows the newest version. One that a user has made stays the user's. */
function newAlias({ object, aliases }: PublishSeen): readonly KubernetesObject[] {
  const name = object.spec.autoPublishAlias;
  if (name === undefined || aliases.some((alias) => aliasName(alias) === name)) return [];
  return [child(object, "Alias", `${shortened(object)}-alias-${objectPart(name)}`, { name })];
}

/** Alias names allow what object names do not; two of one function never give the same. */
function objectPart(name: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/.test(name)) return name;
  const bytes = [...new TextEncoder().encode(name)];
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .slice(0, 30);
  return `${readable}${readable === "" ? "" : "-"}x${sumOf(bytes)}`;
}

/** FNV-1a, 32 bit, hex. */
function sumOf(bytes: readonly number[]): string {
  const sum = bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
  return sum.toString(16).padStart(8, "0");
}

/** Without the Function's labels and annotations: by those Argo CD, Flux and Helm would take it for theirs and prune it. */
function child(
  object: Stored<FunctionObject>,
  kind: "Version" | "Alias",
  name: string,
  spec: object,
): KubernetesObject {
  const { namespace = "", name: functionObject } = object.metadata;
  return {
    apiVersion: API_VERSION,
    kind,
    metadata: {
      namespace,
      name,
      annotations: { [annotations.publisher]: functionObject },
      ownerReferences: [ownedBy(object)],
    },
    spec: { ...spec, functionRef: { from: { name: functionObject } } },
  };
}

function shortened({ metadata }: FunctionObject): string {
  return metadata.name.slice(0, 150).replace(/[^a-z0-9]+$/, "");
}

function outdated(seen: PublishSeen): readonly Removal[] {
  const { object, versions, aliases } = seen;
  const needed = neededVersions(aliases, versions);
  const ours = versions
    .filter((version) => isSelfPublished(object, version) && version.status?.version !== undefined)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => (b.status?.version ?? 0) - (a.status?.version ?? 0) || ageOf(a, b));
  const [newest] = ours;
  const replaced = ours.filter((version) => isReplaced(seen, version, needed));
  const free = ours.filter(
    (version) => version !== newest && !isNeeded(version, needed) && !replaced.includes(version),
  );
  const dropped = [...replaced, ...free.slice(object.spec.revisionHistoryLimit)];
  const unwanted = aliases.filter((alias) => isSelfPublished(object, alias) && !isWanted(object, alias, aliases));
  return [
    ...dropped.map((version) => ({ ...refOf(versionKind, version), uid: version.metadata.uid })),
    ...unwanted
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map((alias) => ({ ...refOf(aliasKind, alias), uid: alias.metadata.uid })),
  ];
}

/** A user's claim to the same number, or to a later one of the same code and configuration, takes the place of ours, whichever came first. */
function isReplaced(
  { object, versions, snapshots }: PublishSeen,
  ours: Stored<VersionObject>,
  needed: ReadonlySet<string>,
): boolean {
  const identityOf = (number: number | undefined): string | undefined =>
    snapshots.find(({ version }) => version === number)?.identity;
  const number = ours.status?.version ?? 0;
  const claims = versions
    .filter((version) => version.spec.version !== undefined && !isSelfPublished(object, version))
    .flatMap(({ status }) => status?.version ?? []);
  if (needed.has(ours.metadata.name)) return false;
  if (claims.includes(number)) return true;
  const identity = identityOf(number);
  return !isNeeded(ours, needed) && claims.some((claim) => claim > number && identityOf(claim) === identity);
}

/** One that a user makes takes the place of ours, whichever came first. */
function isWanted(
  object: Stored<FunctionObject>,
  alias: Stored<AliasObject>,
  aliases: readonly Stored<AliasObject>[],
): boolean {
  const name = aliasName(alias);
  const isUsers = aliases.some((other) => !isSelfPublished(object, other) && aliasName(other) === name);
  return name === object.spec.autoPublishAlias && !isUsers;
}

/** Numbers and names of Version objects. */
function neededVersions(
  aliases: readonly Stored<AliasObject>[],
  versions: readonly Stored<VersionObject>[],
): ReadonlySet<string> {
  const needed = aliases.flatMap((alias) => {
    const { functionVersion, routingConfig } = alias.spec;
    const route = effectiveRoute(alias, versions);
    const named = [functionVersion ?? "", ...Object.keys(routingConfig?.additionalVersionWeights ?? {})];
    return [...named, ...(route === undefined ? [] : versionsOf(route))];
  });
  return new Set(needed);
}

function isNeeded({ metadata, status }: Stored<VersionObject>, needed: ReadonlySet<string>): boolean {
  return needed.has(String(status?.version)) || needed.has(metadata.name);
}

/** Of one number the older stays. */
function ageOf(a: Stored<VersionObject>, b: Stored<VersionObject>): number {
  return a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1;
}
