import type { V1PodSpec, V1PodStatus } from "@kubernetes/client-node";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

/** A model of the client library as the JSON that travels: no classes, moments as text. */
export type Plain<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Name in keyof T]: Plain<T[Name]> }
      : T;

export interface Pod extends KubernetesObject {
  readonly spec: Plain<V1PodSpec>;
  readonly status?: Plain<V1PodStatus>;
}
