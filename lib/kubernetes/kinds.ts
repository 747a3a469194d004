import type { KindRef, KubernetesObject, ObjectRef } from "./object.ts";

/** Kinds that every cluster has. */
export const kinds = {
  pod: { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true },
  configMap: { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
  secret: { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true },
  service: { apiVersion: "v1", kind: "Service", plural: "services", namespaced: true },
  serviceAccount: { apiVersion: "v1", kind: "ServiceAccount", plural: "serviceaccounts", namespaced: true },
  namespace: { apiVersion: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
  node: { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false },
  event: { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events", namespaced: true },
  lease: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases", namespaced: true },
  controllerRevision: {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    namespaced: true,
  },
  customResourceDefinition: {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
  },
} as const satisfies Record<string, KindRef>;

/** Finds the kind of an object by its `apiVersion` and `kind`. */
export type KindTable = (object: Pick<KubernetesObject, "apiVersion" | "kind">) => KindRef;

/** A table of the kinds above and `more`; it throws on any other, which is a mistake in the program. */
export function createKindTable(more: readonly KindRef[] = []): KindTable {
  const byName = new Map([...Object.values<KindRef>(kinds), ...more].map((kind) => [nameOf(kind), kind]));
  return (object) => {
    const kind = byName.get(nameOf(object));
    if (kind === undefined) throw new TypeError(`Cannot find kind "${nameOf(object)}": not in the table of kinds`);
    return kind;
  };
}

/** The reference of an object, given its kind. */
export function refOf(kind: KindRef, { metadata }: KubernetesObject): ObjectRef {
  return { kind, name: metadata.name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }) };
}

/** The collection's or the object's path, e.g. "/apis/apps/v1/namespaces/a/controllerrevisions/b". */
export function pathOf(kind: KindRef, namespace?: string, name?: string): string {
  const group = kind.apiVersion.includes("/") ? "/apis" : "/api";
  const space = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const object = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${group}/${kind.apiVersion}${space}/${kind.plural}${object}`;
}

function nameOf({ apiVersion, kind }: Pick<KubernetesObject, "apiVersion" | "kind">): string {
  return `${apiVersion}/${kind}`;
}
