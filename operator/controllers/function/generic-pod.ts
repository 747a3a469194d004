/** Generic pods: their function is none of their spec's business, so one can be there before its function is called. Pure. */
import { annotations, ENVIRONMENT_COMPONENT, labels } from "../../../crds/names.ts";
import type { Reason } from "../../../crds/v1alpha1/condition.ts";
import { canonicalJson } from "../../../lib/canonical-json.ts";
import type { OwnerReference } from "../../../lib/kubernetes/object.ts";
import type { EnvironmentSettings } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import { extensionFiles } from "./layer-use.ts";
import { environmentLabels, environmentSpec, identityAnnotations, podAnnotations } from "./pods.ts";
import type { Recipe } from "./recipe.ts";

/** Which pods a function gets, and why. */
export interface PodShape {
  readonly isGeneric: boolean;
  readonly reason: Reason;
  readonly message: string;
}

/** What takes a place in the pod's spec takes a pod of the function's own. */
export function decideShape(recipe: Recipe, { genericPods }: Pick<EnvironmentSettings, "genericPods">): PodShape {
  const own = (why: string): PodShape => ({
    isGeneric: false,
    reason: "OwnPods",
    message: `Environments are pods made for this function: ${why}`,
  });
  const [need] = ownNeeds(recipe);
  if (need !== undefined) return own(need);
  if (!genericPods) return own("the installation makes no others (environments.generic.enabled)");
  const message = "Environments are generic pods: one that waits in the namespace's pool, else a new one";
  return { isGeneric: true, reason: "GenericPods", message };
}

function ownNeeds(recipe: Recipe): readonly string[] {
  const { valueFrom, serviceAccountName, fileSystems = [], podTemplate, resolvedImage, layers = [] } = recipe;
  const [extension] = extensionFiles(layers);
  const [claim] = fileSystems;
  return [
    ...(resolvedImage === undefined ? [] : ["packageType Image brings an image of its own"]),
    ...(extension === undefined
      ? []
      : [`a layer brings the extension "${extension}", which has a container of its own`]),
    ...(valueFrom[0] === undefined
      ? []
      : [`the kubelet reads the value of environment.valueFrom.${valueFrom[0].name}`]),
    ...(serviceAccountName === undefined ? [] : [`serviceAccountName is "${serviceAccountName}"`]),
    ...(claim === undefined ? [] : [`fileSystemConfigs mounts "${claim.claimName}"`]),
    ...(podTemplate === undefined ? [] : ["it has a podTemplate"]),
  ];
}

/** What generic pods of this recipe have in common with others in whose place they could be; undefined: it gets own pods. */
export function genericIDOf(
  recipe: Recipe,
  settings: EnvironmentSettings,
  hash: (text: string) => string,
): string | undefined {
  if (!decideShape(recipe, settings).isGeneric) return undefined;
  return hash(canonicalJson(environmentSpec(recipe, settings, true))).slice(0, 40);
}

export interface PoolPodInput {
  readonly namespace: string;
  readonly name: string;
  /** The namespace's ledger. */
  readonly owner: OwnerReference;
  readonly genericID: string;
  /** Of any function whose generic pods these are. */
  readonly recipe: Recipe;
  readonly settings: EnvironmentSettings;
  readonly epoch: number;
}

/** A pod that is nobody's yet. It has the label by which policies know environments from the first moment on. */
export function poolPod({ namespace, name, owner, genericID, recipe, settings, epoch }: PoolPodInput): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace,
      name,
      ownerReferences: [owner],
      labels: { [labels.component]: ENVIRONMENT_COMPONENT, [labels.generic]: genericID },
      annotations: { ...identityAnnotations, ...podAnnotations, [annotations.epoch]: String(epoch) },
    },
    spec: environmentSpec(recipe, settings, true),
  };
}

/** `generic-<id8>-<random5>` */
export function poolPodName(genericID: string, random5: string): string {
  return `generic-${genericID.slice(0, 8)}-${random5}`;
}

export interface AdoptionInput {
  /** Of the pod. */
  readonly uid: string;
  readonly owner: OwnerReference;
  readonly recipe: Recipe;
  readonly epoch: number;
}

/** What makes a pod of the pool a function's in the eyes of Kubernetes and the routers, as a merge patch; another pod of its name is left alone. */
export function adoption({ uid, owner, recipe, epoch }: AdoptionInput): object {
  const { functionUid, revisionID, functionName } = recipe.document;
  return {
    metadata: {
      uid,
      labels: environmentLabels(functionUid, revisionID, recipe.configurationID),
      annotations: { [annotations.functionName]: functionName, [annotations.epoch]: String(epoch) },
      ownerReferences: [owner],
    },
  };
}
