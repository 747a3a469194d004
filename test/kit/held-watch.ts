import type { KubernetesClient, WatchEvent, WatchOptions } from "../../lib/kubernetes/client.ts";
import type { KindRef, KubernetesObject } from "../../lib/kubernetes/object.ts";

/** A client whose watches of one kind can be held: what happens meanwhile is heard when they go on. */
export class HeldWatch {
  readonly client: KubernetesClient;
  #gate: PromiseWithResolvers<undefined> | undefined;

  constructor(client: KubernetesClient, kind: KindRef) {
    const watch = (watched: KindRef, options: WatchOptions): AsyncIterable<WatchEvent<KubernetesObject>> => {
      const events = client.watch(watched, options);
      return watched.plural === kind.plural ? this.#hold(events) : events;
    };
    this.client = new Proxy(client, {
      get: (target, name) => {
        if (name === "watch") return watch;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function"
          ? (...args: unknown[]) => Reflect.apply(value, target, args) as unknown
          : value;
      },
    });
  }

  hold(): void {
    this.#gate ??= Promise.withResolvers();
  }

  goOn(): void {
    this.#gate?.resolve(undefined);
    this.#gate = undefined;
  }

  async *#hold<T extends KubernetesObject>(events: AsyncIterable<WatchEvent<T>>): AsyncGenerator<WatchEvent<T>> {
    for await (const event of events) {
      await this.#gate?.promise;
      yield event;
    }
  }
}
