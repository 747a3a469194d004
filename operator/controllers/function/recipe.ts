/** What a function's revision runs by: kept in a ControllerRevision, so that it can go on while the spec changes or breaks. */
import type { EnvironmentDocument } from "../../../crds/wire/environment.ts";
import type { ResolvedImage } from "../../../crds/wire/images.ts";
import type { PackageFacts } from "../../package-source.ts";
import type { LayerUse } from "./layer-use.ts";
import type { KubernetesObject, OwnerReference } from "../../../lib/kubernetes/object.ts";

/** A variable of the function whose value the kubelet reads. */
export interface ValueFromEntry {
  readonly name: string;
  readonly valueFrom: {
    readonly secretKeyRef?:
      { readonly name: string; readonly key: string; readonly optional?: boolean | undefined } | undefined;
    readonly configMapKeyRef?:
      { readonly name: string; readonly key: string; readonly optional?: boolean | undefined } | undefined;
  };
}

/** The part of a pod template that a function may set; everything else of the pod is ours. */
export interface PodTemplate {
  readonly metadata?:
    | {
        readonly labels?: Readonly<Record<string, string>> | undefined;
        readonly annotations?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
  readonly spec?: Readonly<Record<string, unknown>> | undefined;
}

/** Everything that an environment is made from, but for what the operator's own configuration says. */
export interface Recipe {
  readonly document: EnvironmentDocument;
  /** Of the runtime container. */
  readonly image: string;
  /** Of zips: what the chart's table named when `image` was chosen; not pinned: a tag whose digest could not be told. Absent where there are no containers. */
  readonly runtimeImage?: { readonly named: string; readonly isPinned: boolean } | undefined;
  /** What the function's image was resolved to; absent for zips. */
  readonly resolvedImage?: ResolvedImage;
  readonly valueFrom: readonly ValueFromEntry[];
  readonly serviceAccountName?: string | undefined;
  readonly podTemplate?: PodTemplate | undefined;
  /** Value of the node label kubernetes.io/arch; absent: any. */
  readonly nodeArchitecture?: string | undefined;
  /** Equal for recipes that may stand in for each other; absent: none may. */
  readonly configurationID?: string | undefined;
  /** Volumes of the namespace below /mnt, for function and extensions; absent: none. */
  readonly fileSystems?: readonly { readonly claimName: string; readonly mountPath: string }[] | undefined;
  /** MiB of /tmp. */
  readonly ephemeralStorage: number;
  /** Hash of the source that the code was resolved from. */
  readonly sourceHash: string;
  readonly code: Omit<PackageFacts, "extensions" | "revision">;
  /** In merge order; absent: none. */
  readonly layers?: readonly LayerUse[] | undefined;
}

/** apps/v1 ControllerRevision: immutable `data`. */
export interface ControllerRevision extends KubernetesObject {
  readonly data: Recipe;
  readonly revision: number;
}

/** 63 characters are what a host name may have. */
const longestPodName = 63;

/** `<function>-<revision8>-<random5>`, the function's name cut so that 63 characters are enough. */
export function environmentName(functionName: string, revisionID: string, random5: string): string {
  return `${cut(functionName, longestPodName - 15)}-${revisionID.slice(0, 8)}-${random5}`;
}

/** Deterministic, so that making it twice is making it once. */
export function recipeName(functionName: string, revisionID: string): string {
  return `${cut(functionName, 200)}-${revisionID}`;
}

export interface RecipeObjectInput {
  readonly namespace: string;
  readonly functionName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: OwnerReference;
  readonly recipe: Recipe;
}

/** The object that keeps a recipe; the Function owns it. */
export function recipeObject({
  namespace,
  functionName,
  labels,
  owner,
  recipe,
}: RecipeObjectInput): ControllerRevision {
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      namespace,
      name: recipeName(functionName, recipe.document.revisionID),
      labels,
      ownerReferences: [owner],
    },
    revision: 1,
    data: recipe,
  };
}

function cut(name: string, length: number): string {
  return name.slice(0, length).replace(/[^a-z0-9]+$/, "");
}
