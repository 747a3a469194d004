/** Versions, aliases and snapshots as tests of the operator's decisions begin with them. */
import {
  aliasKind,
  parseAlias,
  type AliasObject,
  type AliasSpec,
  type AliasStatus,
} from "../../crds/v1alpha1/alias.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import {
  parseVersion,
  versionKind,
  type VersionObject,
  type VersionSpec,
  type VersionStatus,
} from "../../crds/v1alpha1/version.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { VersionSeen } from "../../operator/controllers/version/decide.ts";
import {
  candidateOf,
  snapshotObject,
  snapshotOf,
  type Candidate,
  type Snapshot,
  type SnapshotObject,
} from "../../operator/controllers/version/snapshot.ts";
import { functionObject, recipeFor, sha256 } from "./function-seen.ts";

function metadataOf(name: string, more: object = {}) {
  return {
    namespace: "team",
    name,
    uid: `uid-${name}`,
    generation: 1,
    resourceVersion: "1",
    creationTimestamp: "2026-01-02T00:00:00Z",
    ...more,
  };
}

export function versionObject(
  name: string,
  spec: Partial<VersionSpec> = {},
  { status, ...more }: { readonly status?: VersionStatus } & Readonly<Record<string, unknown>> = {},
): Stored<VersionObject> {
  const metadata = metadataOf(name, more);
  const parsed = parseVersion({ ...versionKind, metadata, spec: { functionName: "hello", ...spec } });
  if (!parsed.ok) throw new Error(parsed.error);
  return { ...parsed.value, metadata, ...(status !== undefined && { status }) };
}

export function aliasObject(
  name: string,
  spec: Partial<AliasSpec> = {},
  { status, ...more }: { readonly status?: AliasStatus } & Readonly<Record<string, unknown>> = {},
): Stored<AliasObject> {
  const metadata = metadataOf(name, more);
  const parsed = parseAlias({ ...aliasKind, metadata, spec: { functionName: "hello", ...spec } });
  if (!parsed.ok) throw new Error(parsed.error);
  return { ...parsed.value, metadata, ...(status !== undefined && { status }) };
}

/** $LATEST of a Function. */
export function candidate(object: Stored<FunctionObject> = functionObject()): Candidate {
  return candidateOf(object.spec, recipeFor(object), sha256);
}

export function snapshot(version: number, from: Candidate = candidate(), publishedBy = `v${version}`): Snapshot {
  const createdDate = "2026-01-03T00:00:00.000Z";
  return snapshotOf({ ...from, functionName: "hello", version, publishedBy, createdDate });
}

export function keptSnapshot(owner: Stored<VersionObject>, kept: Snapshot): Stored<SnapshotObject> {
  const object = snapshotObject(owner, kept, sha256);
  return { ...object, metadata: { ...object.metadata, ...stored(`snapshot-${owner.metadata.name}`) } };
}

function stored(uid: string) {
  return { uid, resourceVersion: "1", creationTimestamp: "2026-01-03T00:00:00Z" };
}

/** A Version "v" of a function that runs, looked at for the first time. */
export function versionSeen(changes: Partial<VersionSeen> = {}): VersionSeen {
  return {
    object: versionObject("v"),
    isForeign: false,
    functionTitle: "hello",
    function: functionObject(),
    current: candidate(),
    snapshots: [],
    selfPublished: new Set(),
    waiting: [],
    own: undefined,
    siblings: [],
    aliases: [],
    region: "eu-west-1",
    hash: sha256,
    now: "2026-02-03T04:05:06.789Z",
    ...changes,
  };
}
