/** Local mode's object store is a KubernetesClient like the real one. */
import { ObjectStore } from "../../local/object-store.ts";
import { widgetKind } from "../kit/kubernetes/objects.ts";
import { kubernetesClientContract } from "./kubernetes-client-suite.ts";

kubernetesClientContract("local mode's object store", () => {
  const client = new ObjectStore({ kinds: [widgetKind], nowMs: Date.now });
  let namespaces = 0;
  return Promise.resolve({
    client,
    makeNamespace: async () => {
      const name = `space-${++namespaces}`;
      await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
      return name;
    },
    stop: () => Promise.resolve(),
  });
});
