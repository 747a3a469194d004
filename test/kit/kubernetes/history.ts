import type { KubernetesClient } from "../../../lib/kubernetes/client.ts";
import type { KindRef, Stored } from "../../../lib/kubernetes/object.ts";
import { WatchRecorder } from "./watch-recorder.ts";

/** One state that an object had. */
export interface State {
  readonly object: Stored;
  readonly isGone: boolean;
}

/** Every state of all objects of some kinds in a namespace, from its start on, in the order in which the server had them. */
export class History {
  readonly #recorders: readonly WatchRecorder[];

  private constructor(recorders: readonly WatchRecorder[]) {
    this.#recorders = recorders;
  }

  static async start(client: KubernetesClient, namespace: string, kinds: readonly KindRef[]): Promise<History> {
    const recorders = await Promise.all(
      kinds.map(async (kind) => {
        const { resourceVersion } = await client.list(kind, { namespace });
        return new WatchRecorder(client, kind, { namespace, resourceVersion });
      }),
    );
    await Promise.all(recorders.map(({ opened }) => opened));
    return new History(recorders);
  }

  /** All kinds are kept by one etcd, whose revisions the versions are. */
  get states(): readonly State[] {
    return this.#recorders
      .flatMap(({ events }) => events.flatMap((event) => (event.type === "BOOKMARK" ? [] : [toState(event)])))
      .sort((a, b) => Number(a.object.metadata.resourceVersion) - Number(b.object.metadata.resourceVersion));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#recorders.map((recorder) => recorder.stop()));
  }
}

function toState({ type, object }: { readonly type: string; readonly object: Stored }): State {
  return { object, isGone: type === "DELETED" };
}
