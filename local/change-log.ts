/** Every change of the in-memory object store in order, so that watches can begin at a version and miss nothing. */
import { EventEmitter, on } from "node:events";
import type { KindRef, KubernetesObject, Stored } from "../lib/kubernetes/object.ts";

/** As an API server does: a watch from before that is told to list again. */
const keptChanges = 20_000;

export interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly kind: KindRef;
  readonly object: Stored;
  readonly before: Stored | undefined;
}

export class ChangeLog {
  readonly #changes: Change[] = [];
  readonly #appended = new EventEmitter();
  #version = 1;

  constructor() {
    this.#appended.setMaxListeners(0);
  }

  get version(): number {
    return this.#version;
  }

  /** Gives the object the next resource version and tells every watch. */
  append(type: Change["type"], kind: KindRef, object: KubernetesObject, before: Stored | undefined): Stored {
    const version = ++this.#version;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } } as Stored;
    this.#changes.push({ version, type, kind, object: stored, before });
    if (this.#changes.length > keptChanges) this.#changes.shift();
    this.#appended.emit("change");
    return stored;
  }

  /** Whether no change after `version` has been forgotten. */
  reaches(version: number): boolean {
    const [oldest] = this.#changes;
    return (
      Number.isInteger(version) && version <= this.#version && (oldest === undefined || version >= oldest.version - 1)
    );
  }

  /** Changes after `version` as they come, until the signal is aborted; fails with an AbortError then. */
  async *since(version: number, signal?: AbortSignal): AsyncGenerator<Change> {
    let seen = version;
    // Listening begins before the backlog is read: nothing falls in between.
    const appended = on(this.#appended, "change", signal === undefined ? {} : { signal });
    for (;;) {
      for (let index = this.#indexAfter(seen); index < this.#changes.length; index++) {
        const change = this.#changes[index];
        if (change === undefined) break;
        seen = change.version;
        yield change;
        index = this.#indexAfter(seen) - 1;
      }
      await appended.next();
    }
  }

  #indexAfter(version: number): number {
    const oldest = this.#changes[0]?.version ?? this.#version + 1;
    return Math.max(0, version + 1 - oldest);
  }
}
