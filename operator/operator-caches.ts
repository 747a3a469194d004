/** The objects that the operator follows, as its parts look them up. */
import { ENVIRONMENT_COMPONENT, labels } from "../crds/names.ts";
import { functionKind, type FunctionObject } from "../crds/v1alpha1/function.ts";
import type { Clock } from "../lib/clock.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { ObjectCache } from "../lib/kubernetes/object-cache.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import type { ControllerRevision } from "./controllers/function/recipe.ts";
import { lambdaName } from "./controllers/function/revision.ts";
import type { Pod } from "./pod.ts";

export interface OperatorCaches {
  /** Indexes: `uid`, `name` (`<namespace>/<Lambda name>`), `configMap` (`<namespace>/<name>`). */
  readonly functions: ObjectCache<FunctionObject>;
  /** Execution environments. Index: `function` (the Function's uid). */
  readonly pods: ObjectCache<Pod>;
  /** Recipes of functions. Index: `function`. */
  readonly recipes: ObjectCache<ControllerRevision>;
}

export interface OperatorCachesOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  /** Undefined: all. */
  readonly namespace: string | undefined;
  readonly onError: (error: KubernetesError) => void;
}

export function createOperatorCaches(options: OperatorCachesOptions): OperatorCaches {
  return {
    functions: new ObjectCache<FunctionObject>({
      ...options,
      kind: functionKind,
      indexes: { uid: ({ metadata }) => [metadata.uid], name: (object) => [nameKey(object)], configMap: configMapKeys },
    }),
    pods: new ObjectCache<Pod>({
      ...options,
      kind: kinds.pod,
      labelSelector: `${labels.component}=${ENVIRONMENT_COMPONENT}`,
      transform: withoutUnread,
      indexes: { function: ({ metadata }) => [metadata.labels?.[labels.functionUid] ?? ""] },
    }),
    recipes: new ObjectCache<ControllerRevision>({
      ...options,
      kind: kinds.controllerRevision,
      labelSelector: labels.functionUid,
      indexes: { function: ({ metadata }) => [metadata.labels?.[labels.functionUid] ?? ""] },
    }),
  };
}

/** Under this key the Functions that claim one Lambda name are found. */
export function nameKey(object: FunctionObject): string {
  return `${object.metadata.namespace ?? ""}/${lambdaName(object)}`;
}

function configMapKeys({ metadata, spec }: Stored<FunctionObject>): readonly string[] {
  const name = spec.code.configMapRef?.name;
  return name === undefined ? [] : [`${metadata.namespace ?? ""}/${name}`];
}

/** Of 10,000 pods only labels, owner and status are read; specs and annotations are most of their memory. */
function withoutUnread(pod: Stored<Pod>): Stored<Pod> {
  const { managedFields: _fields, annotations: _annotations, ...metadata } = pod.metadata;
  return { ...pod, metadata, spec: { containers: [] } };
}
