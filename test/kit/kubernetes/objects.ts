/** Objects for tests of whatever speaks the Kubernetes API. */
import type { KindRef, KubernetesObject, ObjectMeta } from "../../../lib/kubernetes/object.ts";

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** A custom kind with a status subresource, as our own kinds are. */
export interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly tags?: readonly string[] };
  readonly status?: { readonly ready?: boolean; readonly size?: number };
}

export interface Pod extends KubernetesObject {
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { name: string; image: string }[] };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

export const widgetKind: KindRef = {
  apiVersion: "test.example.com/v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};

export const widgetDefinition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.test.example.com" },
  spec: {
    group: "test.example.com",
    scope: "Namespaced",
    names: { kind: "Widget", listKind: "WidgetList", plural: "widgets", singular: "widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: { size: { type: "integer" }, tags: { type: "array", items: { type: "string" } } },
              },
              status: { type: "object", properties: { ready: { type: "boolean" }, size: { type: "integer" } } },
            },
          },
        },
      },
    ],
  },
} satisfies KubernetesObject;

type Meta = Partial<ObjectMeta>;

export function configMap(namespace: string, name: string, data: Record<string, string>, meta: Meta = {}): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name, ...meta }, data };
}

export function widget(namespace: string, name: string, spec: NonNullable<Widget["spec"]>, meta: Meta = {}): Widget {
  return { apiVersion: widgetKind.apiVersion, kind: "Widget", metadata: { namespace, name, ...meta }, spec };
}

export function pod(namespace: string, name: string, nodeName?: string): Pod {
  const containers = [{ name: "main", image: "none" }];
  const spec = { containers, ...(nodeName !== undefined && { nodeName }) };
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace, name }, spec };
}
