import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";

/** The client with one method that does something else instead, or around it: `call` is what it would have done with `argument` first. */
export function changedClient(
  client: KubernetesClient,
  method: "patch" | "create",
  act: (call: () => Promise<unknown>, argument: KubernetesObject) => Promise<unknown>,
): KubernetesClient {
  return new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const call = (...args: readonly unknown[]): unknown => Reflect.apply(value, target, args);
      if (name !== method) return call;
      return (...args: readonly unknown[]) => act(() => call(...args) as Promise<unknown>, args[0] as KubernetesObject);
    },
  });
}
