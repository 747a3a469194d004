import type {
  KubernetesClient,
  ListOptions,
  ObjectList,
  WatchEvent,
  WatchOptions,
} from "../../../lib/kubernetes/client.ts";
import type { KindRef, KubernetesObject, Stored } from "../../../lib/kubernetes/object.ts";
import { MemoryClient } from "./memory-client.ts";

/** An open watch, in the test's hand. */
export interface OpenWatch {
  readonly options: WatchOptions;
  send(...events: WatchEvent<KubernetesObject>[]): void;
  end(error?: Error): void;
}

/** Lists answer what the test has planned, and watches say what the test sends. Asked for more than is planned, it fails. */
export class ScriptedListWatch extends MemoryClient {
  readonly lists: ListOptions[] = [];
  readonly watches: OpenWatch[] = [];
  readonly #answers: (ObjectList<KubernetesObject> | Error)[] = [];

  planList(...answers: (ObjectList<KubernetesObject> | Error)[]): void {
    this.#answers.push(...answers);
  }

  /** The watch that was opened last. */
  get watchNow(): OpenWatch {
    const last = this.watches.at(-1);
    if (last === undefined) throw new TypeError("Cannot find a watch: none was opened");
    return last;
  }

  asClient(): KubernetesClient {
    return Object.assign(Object.create(this) as MemoryClient, {
      list: (_kind: KindRef, options: ListOptions) => this.#list(options),
      watch: (_kind: KindRef, options: WatchOptions) => this.#watch(options),
    }) as KubernetesClient;
  }

  async #list(options: ListOptions): Promise<ObjectList<KubernetesObject>> {
    this.lists.push(options);
    const answer = this.#answers.shift();
    await Promise.resolve();
    if (answer === undefined) throw new TypeError("Cannot list: nothing is planned");
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async *#watch(options: WatchOptions): AsyncGenerator<WatchEvent<KubernetesObject>> {
    const inbox: (WatchEvent<KubernetesObject> | { readonly end: Error | undefined })[] = [];
    let wake = Promise.withResolvers<undefined>();
    const put = (...items: typeof inbox): void => {
      inbox.push(...items);
      wake.resolve(undefined);
    };
    const end = (error?: Error): void => put({ end: error });
    options.signal?.addEventListener("abort", () => end(options.signal?.reason as Error), { once: true });
    this.watches.push({ options, send: put, end });
    options.onOpen?.();
    for (;;) {
      const item = inbox.shift();
      if (item === undefined) {
        await wake.promise;
        wake = Promise.withResolvers<undefined>();
      } else if ("end" in item) {
        if (item.end !== undefined) throw item.end;
        return;
      } else {
        yield item;
      }
    }
  }
}

/** One page, at this version. */
export function page(resourceVersion: string, items: readonly Stored[], token?: string): ObjectList<KubernetesObject> {
  return { resourceVersion, items, ...(token !== undefined && { continue: token }) };
}

/** An object as a server would show it. */
export function stored<T extends KubernetesObject>(object: T, resourceVersion: string, uid?: string): Stored<T> {
  const creationTimestamp = "2026-01-01T00:00:00Z";
  const metadata = {
    ...object.metadata,
    uid: uid ?? `uid-${object.metadata.name}`,
    resourceVersion,
    creationTimestamp,
  };
  return { ...object, metadata };
}
