/** What objects come to in the end, without what differs from one run to the next. */
import { accountIdOf, labels } from "../../crds/names.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { listAll } from "./backup.ts";

/** Members whose values come from uids, the namespace's name, the clock or the number of writes. */
const changing: ReadonlySet<string> = new Set([
  ...["uid", "functionUid", "revisionID", "configurationID", "identity", "resourceVersion"],
  ...["createdDate", "lastTransitionTime", "generation", "observedGeneration"],
]);

/** All of our objects of these namespaces, sorted; the namespaces are called 0, 1 and so on. */
export async function endStateOf(client: KubernetesClient, namespaces: readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all(namespaces.map((namespace) => listAll(client, namespace)));
  const ours = lists.flat().filter(({ kind }) => kind !== "ConfigMap");
  return ours.map((object) => renamed(JSON.stringify(normal(object), without), namespaces)).sort();
}

function without(member: string, value: unknown): unknown {
  return changing.has(member) ? undefined : value;
}

function renamed(text: string, namespaces: readonly string[]): string {
  // A Version that a function makes has the identity in its name.
  const unnamed = text.replaceAll(/(?<=[a-z]-)[0-9a-f]{10}(?=[-"])/g, "identity");
  return namespaces.reduce(
    (renamedText, namespace, i) =>
      renamedText.replaceAll(accountIdOf(namespace), `account ${i}`).replaceAll(`"${namespace}"`, `"namespace ${i}"`),
    unnamed,
  );
}

function normal({ kind, metadata, spec, status, data }: KubernetesObject & { readonly data?: unknown }): unknown {
  // Names of recipes tell the revision, which is another one for another uid.
  const isRecipe = metadata.labels?.[labels.functionUid] !== undefined;
  const name = isRecipe ? metadata.name.replace(/[0-9a-f-]{36}$/, "") : metadata.name;
  const { namespace, annotations, finalizers } = metadata;
  const owners = metadata.ownerReferences?.map((owner) => `${owner.kind} ${owner.name}`);
  return { kind, namespace, name, owners, annotations, finalizers, spec, status, data };
}
