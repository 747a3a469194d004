import type { KubernetesClient } from "../../../lib/kubernetes/client.ts";
import type { KindRef, Stored } from "../../../lib/kubernetes/object.ts";
import { waitUntil } from "../../cluster/wait-until.ts";
import { WatchRecorder } from "./watch-recorder.ts";

/** One state that an object had. */
export interface State {
  readonly object: Stored;
  readonly isGone: boolean;
}

/** Every state of all objects of some kinds in a namespace, from its start on, in the order in which the server had them. */
export class History {
  readonly #recorders: readonly WatchRecorder[];
  /** Versions of all that is there now. */
  readonly #listVersions: () => Promise<readonly number[]>;
  readonly #startedAt: number;

  private constructor(
    recorders: readonly WatchRecorder[],
    listVersions: () => Promise<readonly number[]>,
    startedAt: number,
  ) {
    this.#recorders = recorders;
    this.#listVersions = listVersions;
    this.#startedAt = startedAt;
  }

  static async start(client: KubernetesClient, namespace: string, kinds: readonly KindRef[]): Promise<History> {
    const versions: number[] = [];
    const recorders = await Promise.all(
      kinds.map(async (kind) => {
        const { resourceVersion } = await client.list(kind, { namespace });
        versions.push(Number(resourceVersion));
        return new WatchRecorder(client, kind, { namespace, resourceVersion });
      }),
    );
    await Promise.all(recorders.map(({ opened }) => opened));
    const listVersions = async (): Promise<readonly number[]> => {
      const lists = await Promise.all(kinds.map((kind) => client.list(kind, { namespace })));
      return lists.flatMap(({ items }) => items.map(({ metadata }) => Number(metadata.resourceVersion)));
    };
    return new History(recorders, listVersions, Math.max(...versions));
  }

  /** All kinds are kept by one etcd, whose revisions the versions are. */
  get states(): readonly State[] {
    return this.#recorders
      .flatMap(({ events }) => events.flatMap((event) => (event.type === "BOOKMARK" ? [] : [toState(event)])))
      .sort((a, b) => Number(a.object.metadata.resourceVersion) - Number(b.object.metadata.resourceVersion));
  }

  /** Ends when the watches have told of everything that is there. */
  async stop(): Promise<void> {
    const wanted = (await this.#listVersions()).filter((version) => version > this.#startedAt);
    await waitUntil({ what: "the watches have told of everything", timeoutMs: 10_000, everyMs: 10 }, () => {
      const seen = new Set(this.states.map(({ object }) => Number(object.metadata.resourceVersion)));
      return wanted.every((version) => seen.has(version)) || undefined;
    });
    await Promise.all(this.#recorders.map((recorder) => recorder.stop()));
  }
}

function toState({ type, object }: { readonly type: string; readonly object: Stored }): State {
  return { object, isGone: type === "DELETED" };
}
