import type { V1PodSpec, V1PodStatus } from "@kubernetes/client-node";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

/** A pod as JSON; moments are text in it, whatever the client's models say. */
export interface Pod extends KubernetesObject {
  readonly spec: V1PodSpec;
  readonly status?: V1PodStatus;
}
