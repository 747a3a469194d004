import type { KubernetesClient, WatchEvent, WatchOptions } from "../../../lib/kubernetes/client.ts";
import type { KindRef, KubernetesObject } from "../../../lib/kubernetes/object.ts";
import { waitUntil } from "../../cluster/wait-until.ts";

/** Reads one watch in the background and keeps what it says, e.g. "ADDED a". */
export class WatchRecorder {
  readonly events: WatchEvent<KubernetesObject>[] = [];
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  readonly #opened = Promise.withResolvers<undefined>();

  constructor(client: KubernetesClient, kind: KindRef, options: WatchOptions) {
    this.#ended = this.#read(client, kind, options).catch((error: unknown) => error);
    this.#opened.promise.catch(() => undefined);
  }

  async #read(client: KubernetesClient, kind: KindRef, options: WatchOptions): Promise<void> {
    const onOpen = (): void => this.#opened.resolve(undefined);
    try {
      for await (const event of client.watch(kind, { ...options, signal: this.#stop.signal, onOpen })) {
        this.events.push(event);
      }
    } finally {
      this.#opened.reject(new Error("The watch ended before it was open"));
    }
  }

  /** Changes in order, without bookmarks. */
  get changes(): string[] {
    return this.events.flatMap((event) =>
      event.type === "BOOKMARK" ? [] : [`${event.type} ${event.object.metadata.name}`],
    );
  }

  get opened(): Promise<undefined> {
    return this.#opened.promise;
  }

  /** Waits until there are so many changes, and answers with all. */
  async until(count: number): Promise<string[]> {
    return await waitUntil({ what: `${count} changes, have "${this.changes.join(", ")}"`, timeoutMs: 10_000 }, () =>
      this.changes.length >= count ? this.changes : undefined,
    );
  }

  /** How it ended: an error, or undefined when the server ended it. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  async stop(reason = new Error("The test has seen enough")): Promise<unknown> {
    this.#stop.abort(reason);
    return await this.#ended;
  }
}
