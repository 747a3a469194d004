/** The objects that the operator follows, as its parts look them up. */
import {
  accountIdOf,
  annotations,
  ENVIRONMENT_COMPONENT,
  FETCH_COMPONENT,
  labels,
  parseLayerReference,
} from "../crds/names.ts";
import { aliasKind, type AliasObject } from "../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../crds/v1alpha1/function.ts";
import { layerKind, type LayerObject } from "../crds/v1alpha1/layer.ts";
import { versionKind, type VersionObject } from "../crds/v1alpha1/version.ts";
import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import { objectKey, type KubernetesObject, type Stored } from "../lib/kubernetes/object.ts";
import { SharedStrings } from "../lib/kubernetes/shared-strings.ts";
import type { ControllerRevision } from "./controllers/function/recipe.ts";
import { lambdaName } from "./controllers/function/revision.ts";
import { layerName, type LayerVersionObject } from "./controllers/layer/layer-version.ts";
import { snapshotKey, snapshotName, type SnapshotObject } from "./controllers/version/snapshot.ts";
import { partKeys } from "./controllers/version/version-function.ts";
import type { Pod } from "./pod.ts";
import { orphanKey, ownerKey } from "./restored.ts";
import { kindKey } from "./scaling/pool-decide.ts";
import { sha256Hex } from "./sha256.ts";

export interface OperatorCaches {
  /** Indexes: `uid`, `name` (`<namespace>/<Lambda name>`), `configMap` (`<namespace>/<name>`), `layer` (`<account id>/<Lambda name>`). */
  readonly functions: ObjectCache<FunctionObject>;
  /** Execution environments. Indexes: `function` (the Function's uid); `pool` of those that are nobody's yet (`kindKey`, and `""` for all). */
  readonly pods: ObjectCache<Pod>;
  /** Pods that fetch with a tenant's Secret. */
  readonly fetchPods: ObjectCache<Pod>;
  /** Recipes of functions. Index: `function` (as `recipesOf` looks them up). */
  readonly recipes: ObjectCache<ControllerRevision>;
  /** Indexes: `name` (`<namespace>/<Lambda name>`), `account` (`<account id>/<Lambda name>`), `configMap` (`<namespace>/<name>`). */
  readonly layers: ObjectCache<LayerObject>;
  /** Versions of layers. Index: `layer` (as `layerVersionsOf` looks them up). */
  readonly layerVersions: ObjectCache<LayerVersionObject>;
  /** Indexes: `function` (as version-function.ts looks them up), as of aliases; `snapshot` (`<namespace>/<name>` of what it stands for). */
  readonly versions: ObjectCache<VersionObject>;
  /** What Versions stand for. Index: `function` (`<namespace>/<Lambda name>`). */
  readonly snapshots: ObjectCache<SnapshotObject>;
  readonly aliases: ObjectCache<AliasObject>;
}

export interface OperatorCachesOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** Undefined: all. */
  readonly namespace: string | undefined;
  readonly onError: (error: KubernetesError) => void;
}

export function createOperatorCaches(given: OperatorCachesOptions): OperatorCaches {
  // A version's snapshot repeats its function, and most of the version before it.
  const options = { ...given, strings: new SharedStrings() };
  return {
    functions: new ObjectCache<FunctionObject>({
      ...options,
      kind: functionKind,
      indexes: {
        uid: ({ metadata }) => [metadata.uid],
        name: (object) => [nameKey(object)],
        configMap: ({ metadata, spec }) => configMapKeys(metadata.namespace, spec.code),
        layer: usedLayers,
      },
    }),
    pods: new ObjectCache<Pod>({
      ...options,
      kind: kinds.pod,
      labelSelector: `${labels.component}=${ENVIRONMENT_COMPONENT}`,
      transform: withoutUnread,
      indexes: {
        function: ({ metadata }) => functionUids(metadata.labels),
        pool: poolKeys,
      },
    }),
    fetchPods: new ObjectCache<Pod>({
      ...options,
      kind: kinds.pod,
      labelSelector: `${labels.component}=${FETCH_COMPONENT}`,
    }),
    recipes: new ObjectCache<ControllerRevision>({
      ...options,
      kind: kinds.controllerRevision,
      labelSelector: labels.functionUid,
      indexes: { function: (object) => [ownerKey(object, object.data.document.functionName)] },
    }),
    layers: new ObjectCache<LayerObject>({
      ...options,
      kind: layerKind,
      indexes: {
        name: (object) => [layerKey(object)],
        account: (object) => [accountLayerKey(object.metadata.namespace, layerName(object))],
        configMap: ({ metadata, spec }) => configMapKeys(metadata.namespace, spec.content),
      },
    }),
    layerVersions: new ObjectCache<LayerVersionObject>({
      ...options,
      kind: kinds.controllerRevision,
      labelSelector: labels.layerUid,
      indexes: { layer: (object) => [ownerKey(object, object.data.name)] },
    }),
    versions: new ObjectCache<VersionObject>({
      ...options,
      kind: versionKind,
      indexes: {
        function: partKeys,
        snapshot: (object) => [objectKey(object.metadata.namespace, snapshotName(object, sha256Hex))],
      },
    }),
    snapshots: new ObjectCache<SnapshotObject>({
      ...options,
      kind: kinds.controllerRevision,
      labelSelector: labels.version,
      indexes: { function: (object) => [snapshotKey(object)] },
    }),
    aliases: new ObjectCache<AliasObject>({ ...options, kind: aliasKind, indexes: { function: partKeys } }),
  };
}

/** All of them, as whoever starts, awaits and stops them sees them. */
export function cachesOf(caches: OperatorCaches): readonly CacheLife[] {
  const { functions, pods, fetchPods, recipes, layers, layerVersions, versions, snapshots, aliases } = caches;
  return [functions, pods, fetchPods, recipes, layers, layerVersions, versions, snapshots, aliases];
}

/** Recipes of a Function: its own first, then those that a backup brought back without an owner. */
export function recipesOf(
  { recipes }: Pick<OperatorCaches, "recipes">,
  object: Stored<FunctionObject>,
): Stored<ControllerRevision>[] {
  const orphans = recipes.byIndex("function", orphanKey(object.metadata.namespace, lambdaName(object)));
  return [...recipes.byIndex("function", object.metadata.uid), ...orphans];
}

/** Versions of a Layer: its own, and those that a backup brought back without an owner. */
export function layerVersionsOf(
  { layerVersions }: Pick<OperatorCaches, "layerVersions">,
  object: Stored<LayerObject>,
): Stored<LayerVersionObject>[] {
  const orphans = layerVersions.byIndex("layer", orphanKey(object.metadata.namespace, layerName(object)));
  return [...layerVersions.byIndex("layer", object.metadata.uid), ...orphans];
}

type CacheLife = Pick<ObjectCache<KubernetesObject>, "start" | "stop" | "synced" | "kind" | "onChange">;

/** Under this key the Functions that claim one Lambda name are found. */
export function nameKey(object: FunctionObject): string {
  return `${object.metadata.namespace ?? ""}/${lambdaName(object)}`;
}

/** Under this key the Layers that claim one Lambda name are found. */
export function layerKey(object: LayerObject): string {
  return `${object.metadata.namespace ?? ""}/${layerName(object)}`;
}

/** As ARNs name a layer. */
export function accountLayerKey(namespace = "", name: string): string {
  return `${accountIdOf(namespace)}/${name}`;
}

function functionUids(all: Pod["metadata"]["labels"]): readonly string[] {
  const uid = all?.[labels.functionUid];
  return uid === undefined ? [] : [uid];
}

function poolKeys({ metadata }: Stored<Pod>): readonly string[] {
  const { [labels.generic]: genericID, [labels.functionUid]: functionUid } = metadata.labels ?? {};
  return genericID === undefined || functionUid !== undefined
    ? []
    : [kindKey({ namespace: metadata.namespace ?? "", genericID }), ""];
}

function configMapKeys(namespace = "", source: { readonly configMapRef?: { readonly name: string } | undefined }) {
  const name = source.configMapRef?.name;
  return name === undefined ? [] : [`${namespace}/${name}`];
}

function usedLayers({ metadata, spec }: Stored<FunctionObject>): readonly string[] {
  return (spec.layers ?? []).flatMap((text) => {
    const reference = parseLayerReference(text);
    if (reference === undefined) return [];
    return [`${reference.accountId ?? accountIdOf(metadata.namespace ?? "")}/${reference.name}`];
  });
}

/** What is read of a pod's conditions. */
const readConditions: readonly string[] = ["PodScheduled", "Ready", "DisruptionTarget"];
const noSpec: Pod["spec"] = { containers: [] };

/** Of 10,000 pods only labels, owner, extensions and how their containers do are read; the rest would be most of their memory. */
function withoutUnread({ apiVersion, kind, metadata, status }: Stored<Pod>): Stored<Pod> {
  const { managedFields: _fields, annotations: all, ...others } = metadata;
  const extensions = all?.[annotations.extensions];
  const kept = extensions === undefined ? {} : { annotations: { [annotations.extensions]: extensions } };
  const read = status === undefined ? {} : { status: withoutUnreadStatus(status) };
  return { apiVersion, kind, metadata: { ...others, ...kept }, spec: noSpec, ...read };
}

function withoutUnreadStatus(status: NonNullable<Pod["status"]>): NonNullable<Pod["status"]> {
  const { phase, podIP, reason, message, conditions, initContainerStatuses, containerStatuses } = status;
  return {
    ...(phase !== undefined && { phase }),
    ...(podIP !== undefined && { podIP }),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    ...(conditions !== undefined && { conditions: conditions.filter(({ type }) => readConditions.includes(type)) }),
    ...(initContainerStatuses !== undefined && { initContainerStatuses: initContainerStatuses.map(withoutIDs) }),
    ...(containerStatuses !== undefined && { containerStatuses: containerStatuses.map(withoutIDs) }),
  };
}

type ContainerStatus = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];

function withoutIDs({ name, image, ready, restartCount, state }: ContainerStatus): ContainerStatus {
  return { name, image, imageID: "", ready, restartCount, ...(state !== undefined && { state }) };
}
