/** What a published version runs by: kept in a ControllerRevision, so that nothing changes it and everything else may. Pure. */
import { labels } from "../../../crds/names.ts";
import type { FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { VersionObject } from "../../../crds/v1alpha1/version.ts";
import { canonicalJson } from "../../../lib/canonical-json.ts";
import { ownedBy, type KubernetesObject, type Stored } from "../../../lib/kubernetes/object.ts";
import { functionKeyOf } from "./version-function.ts";
import type { Recipe } from "../function/recipe.ts";
import { recipeIdentity } from "../function/recipe-identity.ts";
import { revisionIDOf } from "../function/revision.ts";

/** Members of a function's spec that are frozen with a version and are not in its recipe. Source: Lambda developer guide, configuration-versions. */
const frozenFields = [
  ...(["description", "role", "roleRef", "vpcConfig", "kmsKeyARN", "kmsKeyRef", "deadLetterConfig"] as const),
  ...(["tracingConfig", "snapStart", "fileSystemConfigs", "imageConfig", "tenancyConfig", "durableConfig"] as const),
] as const satisfies readonly (keyof FunctionSpec)[];

export type FrozenSettings = Partial<Pick<FunctionSpec, (typeof frozenFields)[number]>>;

/** What $LATEST is at a moment: what would be published. */
export interface Candidate {
  readonly recipe: Recipe;
  readonly settings: FrozenSettings;
  /** Hash: equal for what Lambda takes for unchanged. */
  readonly identity: string;
}

export interface Snapshot extends Candidate {
  /** Lambda name of the function. */
  readonly functionName: string;
  readonly version: number;
  /** `metadata.name` of the Version that published it first; others that stand for the same number keep copies. */
  readonly publishedBy: string;
  /** ISO 8601. */
  readonly createdDate: string;
  readonly description?: string | undefined;
}

/** apps/v1 ControllerRevision: immutable `data`. */
export interface SnapshotObject extends KubernetesObject {
  readonly data: Snapshot;
  readonly revision: number;
}

/** `hash` is SHA-256, hex. */
export function candidateOf(spec: FunctionSpec, recipe: Recipe, hash: (text: string) => string): Candidate {
  const settings = Object.fromEntries(
    frozenFields.filter((name) => spec[name] !== undefined).map((name) => [name, spec[name]]),
  ) as FrozenSettings;
  return { recipe, settings, identity: hash(canonicalJson({ settings, ...recipeIdentity(recipe) })) };
}

export interface SnapshotInput extends Candidate {
  readonly functionName: string;
  readonly version: number;
  /** Of the Version's spec. */
  readonly description?: string | undefined;
  readonly publishedBy: string;
  readonly createdDate: string;
}

/** A description of the Version's own stands before $LATEST's. */
export function snapshotOf({ description, recipe, ...input }: SnapshotInput): Snapshot {
  const told = description ?? input.settings.description;
  const document = { ...recipe.document, version: String(input.version) };
  return { ...input, recipe: { ...recipe, document }, ...(told !== undefined && { description: told }) };
}

/** A Version has one snapshot, so that making it twice is making it once. `hash` is SHA-256, hex. */
export function snapshotName({ metadata }: VersionObject, hash: (text: string) => string): string {
  const { name } = metadata;
  const short = name.length <= 200 ? name : `${name.slice(0, 190)}-${hash(name).slice(0, 8)}`;
  return `${short}-version`;
}

export function snapshotObject(
  owner: Stored<VersionObject>,
  snapshot: Snapshot,
  hash: (text: string) => string,
): SnapshotObject {
  const { namespace = "" } = owner.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      namespace,
      name: snapshotName(owner, hash),
      labels: { [labels.version]: String(snapshot.version) },
      ownerReferences: [ownedBy(owner)],
    },
    revision: snapshot.version,
    data: snapshot,
  };
}

/** Under this key the snapshots of a function are found. */
export function snapshotKey({ metadata, data }: SnapshotObject): string {
  return functionKeyOf(metadata.namespace, data.functionName);
}

/** What is the installation's, and so is not frozen. */
export interface EnvironmentInputs {
  /** Of the Function as it is now: it may have been made again. */
  readonly functionUid: string;
  readonly routerKeys: readonly string[];
  readonly stopsBetweenInvocations: boolean;
  readonly streamBytesPerSecond: number;
  readonly hash: (text: string) => string;
}

/** What environments of the version are made from; its revision id is equal for equal inputs. */
export function versionRecipe({ recipe }: Snapshot, inputs: EnvironmentInputs): Recipe {
  const { functionUid, routerKeys, stopsBetweenInvocations, streamBytesPerSecond, hash } = inputs;
  const { stopsBetweenInvocations: _stops, streamBytesPerSecond: _bytes, ...frozen } = recipe.document;
  const document = {
    ...frozen,
    functionUid,
    ...(stopsBetweenInvocations && { stopsBetweenInvocations: true }),
    ...(streamBytesPerSecond > 0 && { streamBytesPerSecond }),
  };
  const { revisionID: _former, ...relevant } = document;
  // No other version's environment, and none of $LATEST, may stand in for one of this.
  const { configurationID: _configuration, ...own } = recipe;
  const { sourceHash: _source, ...rest } = own;
  const revisionID = revisionIDOf({ ...rest, document: relevant, routerKeys }, hash);
  return { ...own, document: { ...document, revisionID } };
}

/** Newest first, one of each number. */
export function newestSnapshots(snapshots: readonly Snapshot[]): readonly Snapshot[] {
  const byNumber = new Map(snapshots.map((snapshot) => [snapshot.version, snapshot]));
  return [...byNumber.values()].sort((a, b) => b.version - a.version);
}
