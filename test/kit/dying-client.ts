import type { KubernetesClient } from "../../lib/kubernetes/client.ts";

export interface DyingClient {
  readonly client: KubernetesClient;
  /** Resolves at the death. */
  readonly died: Promise<undefined>;
}

const writes: ReadonlySet<string | symbol> = new Set(["create", "patch", "apply", "delete"]);

/**
 * The client of a process that is killed at its write number `step` (from 1), before or after that has reached the server:
 * nobody hears its answer, and nothing is written any more. Writes of other kinds of objects than ours do not count.
 */
export function dyingClient(
  client: KubernetesClient,
  { step, when }: { readonly step: number; readonly when: "before" | "after" },
): DyingClient {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let done = 0;
  const proxy = new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const call = (...args: readonly unknown[]): unknown => Reflect.apply(value, target, args);
      if (!writes.has(name)) return call;
      return async (...args: readonly unknown[]) => {
        if (isEvent(args[0])) return await call(...args);
        if (done >= step) throw new Error("The process is dead");
        done++;
        if (done < step) return await call(...args);
        // Also a refusal reaches nobody.
        if (when === "after") await Promise.resolve(call(...args)).catch(() => undefined);
        resolve(undefined);
        throw new Error("The process was killed");
      };
    },
  });
  return { client: proxy, died: promise };
}

/** An object or a reference. */
function isEvent(argument: unknown): boolean {
  const { kind } = argument as { readonly kind?: string | { readonly kind: string } };
  return (typeof kind === "string" ? kind : kind?.kind) === "Event";
}

/** The client of a process that is killed when `kill` is called: what is under way may have reached the server, nothing more does. */
export function mortalClient(client: KubernetesClient): { readonly client: KubernetesClient; kill(): void } {
  const life = new AbortController();
  const proxy = new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const call = (...args: readonly unknown[]): unknown => Reflect.apply(value, target, args);
      if (!writes.has(name)) return call;
      return async (...args: readonly unknown[]) => {
        life.signal.throwIfAborted();
        const answer = await call(...args);
        life.signal.throwIfAborted();
        return answer;
      };
    },
  });
  return { client: proxy, kill: () => life.abort(new Error("The process was killed")) };
}
