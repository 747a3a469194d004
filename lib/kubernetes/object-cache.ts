import { type BackoffPolicy, backoffMs } from "../backoff.ts";
import { type Clock, sleep } from "../clock.ts";
import type { KubernetesClient, Selection, WatchEvent } from "./client.ts";
import { isKubernetesError, type KubernetesError } from "./kubernetes-error.ts";
import { keyOf, type KindRef, type KubernetesObject, objectKey, type Stored } from "./object.ts";
import { ObjectIndex } from "./object-index.ts";
import type { SharedStrings } from "./shared-strings.ts";
import { toKubernetesError } from "./to-kubernetes-error.ts";

export interface Change<T extends KubernetesObject> {
  readonly type: "added" | "modified" | "deleted";
  /** The new state; of a deleted object the last that is known. */
  readonly object: Stored<T>;
  /** What the cache held before; absent for "added". */
  readonly previous?: Stored<T>;
}

export interface ObjectCacheOptions<T extends KubernetesObject> extends Selection {
  readonly client: KubernetesClient;
  readonly kind: KindRef;
  readonly clock: Clock;
  /** Drops what nobody reads, to save memory. Default: `withoutManagedFields`. */
  readonly transform?: (object: Stored<T>) => Stored<T>;
  /** Equal strings of what it holds are one: for objects that repeat each other. Caches may have one together. */
  readonly strings?: SharedStrings | undefined;
  /** Name of an index → the values under which it finds an object. */
  readonly indexes?: Readonly<Record<string, (object: Stored<T>) => readonly string[]>>;
  /** Told of every failed list or watch; the cache goes on by itself. */
  readonly onError?: (error: KubernetesError) => void;
  /** Objects of one page. Default 500. */
  readonly pageSize?: number;
  /** A watch that says nothing for so long is opened anew. Default 90,000; bookmarks come about once a minute. */
  readonly idleTimeoutMs?: number;
  /** Unheard of for longer than this it counts as stale. Default 180,000. */
  readonly staleAfterMs?: number;
  readonly backoff?: BackoffPolicy;
  readonly draw?: () => number;
}

type Listener<T extends KubernetesObject> = (change: Change<T>) => void;

/** From 0.2 s to 5 s: routers go by former limits until they have found a restarted API server, and not all clients come at once. */
const defaultBackoff: BackoffPolicy = { initialMs: 200, maxMs: 5000, factor: 2, jitter: 0.5 };
/** A watch that lives shorter than this and says nothing has not helped: wait before the next. */
const shortWatchMs = 1_000;

/** What kubectl apply keeps for itself: the whole object once more. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** The usual transform: managedFields are often half of an object, and only server-side apply reads them. */
export function withoutManagedFields<T extends KubernetesObject>(object: Stored<T>): Stored<T> {
  const { managedFields: _dropped, annotations, ...metadata } = object.metadata;
  if (annotations === undefined) return { ...object, metadata };
  const { [LAST_APPLIED]: _own, ...kept } = annotations;
  return { ...object, metadata: { ...metadata, annotations: kept } };
}

/**
 * The objects of one kind as the server has them, a moment late: lists once, then watches, and goes on from where it was
 * after a lost connection. Lists anew when the server has forgotten that place, and tells listeners the difference.
 */
export class ObjectCache<T extends KubernetesObject> {
  readonly #options: ObjectCacheOptions<T>;
  readonly #objects = new Map<string, Stored<T>>();
  readonly #index: ObjectIndex<Stored<T>>;
  readonly #listeners = new Set<Listener<T>>();
  readonly #firstList = Promise.withResolvers<undefined>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #resourceVersion: string | undefined;
  #hasSynced = false;
  #lastHeardAtMs = -Infinity;
  #failures = 0;
  #isCurrent = false;

  constructor(options: ObjectCacheOptions<T>) {
    this.#options = options;
    this.#index = new ObjectIndex(options.indexes ?? {});
    // Nobody may be waiting when the cache is stopped early.
    this.#firstList.promise.catch(() => undefined);
  }

  /** Begins; `stop` ends it. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error(`The cache of ${this.#options.kind.plural} has stopped`));
    this.#firstList.reject(this.#stop.signal.reason as Error);
    await this.#running;
  }

  get kind(): KindRef {
    return this.#options.kind;
  }

  /** Resolves once the first list is in; rejects when the signal or `stop` comes first. */
  async synced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#firstList.promise;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#firstList.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** By "namespace/name", or "name" for kinds without a namespace. */
  get(key: string): Stored<T> | undefined {
    return this.#objects.get(key);
  }

  getBy(namespace: string | undefined, name: string): Stored<T> | undefined {
    return this.#objects.get(objectKey(namespace, name));
  }

  /** All of them, in no order. */
  list(): Stored<T>[] {
    return [...this.#objects.values()];
  }

  /** Those for which the index gives this value; throws on an index that was not declared. */
  byIndex(index: string, value: string): Stored<T>[] {
    const found: Stored<T>[] = [];
    for (const key of this.#index.keysOf(index, value)) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Calls with every change from now on, after the cache has it; what it throws ends nothing. Returns how to end it. */
  onChange(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** False before the first list, and from a failed request to the next that succeeds: what is missing here may be there. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** When the server last said anything (a bookmark counts), by `clock.nowMs`; -Infinity before the first list. */
  get lastHeardAtMs(): number {
    return this.#lastHeardAtMs;
  }

  /** True before the first list, and when the server has been silent for too long to believe what is here. */
  isStale(nowMs: number): boolean {
    return !this.#hasSynced || nowMs - this.#lastHeardAtMs > (this.#options.staleAfterMs ?? 180_000);
  }

  async #run(): Promise<void> {
    const { clock, kind, draw = Math.random, backoff = defaultBackoff } = this.#options;
    const { signal } = this.#stop;
    while (!this.#isStopped()) {
      try {
        this.#resourceVersion ??= await this.#listAll();
        if (await this.#watchOnce(this.#resourceVersion)) continue;
      } catch (thrown) {
        if (this.#isStopped()) return;
        const error = toKubernetesError(`follow ${kind.plural}`, thrown);
        if (error.code === "Gone") this.#resourceVersion = undefined;
        this.#isCurrent = false;
        this.#options.onError?.(error);
        // The first list after "gone" is no repetition of anything that failed.
        if (error.code === "Gone" && this.#failures === 0) {
          this.#failures = 1;
          continue;
        }
        const delayMs = Math.max(backoffMs(backoff, this.#failures++, draw()), error.retryAfterMs ?? 0);
        await sleep(clock, delayMs, signal).catch(() => undefined);
        continue;
      }
      await sleep(clock, backoffMs(backoff, this.#failures++, draw()), signal).catch(() => undefined);
    }
  }

  /** Answers whether the watch was of any use: false asks for a pause before the next. */
  async #watchOnce(resourceVersion: string): Promise<boolean> {
    const { client, clock, kind, namespace, labelSelector, fieldSelector, idleTimeoutMs } = this.#options;
    const selection = { namespace, labelSelector, fieldSelector };
    const openedAtMs = clock.monotonicMs();
    let isUseful = false;
    let isOpen = false as boolean;
    const onOpen = (): void => {
      isOpen = true;
      this.#heard();
      this.#isCurrent = true;
    };
    const options = { ...selection, resourceVersion, idleTimeoutMs, signal: this.#stop.signal, onOpen };
    try {
      for await (const event of client.watch<T>(kind, options)) {
        this.#heard();
        this.#take(event);
        isUseful = true;
        this.#failures = 0;
      }
    } catch (thrown) {
      // Of a kind without objects a server may say nothing for hours, not even bookmarks: what we have stays current.
      if (!isOpen || !isKubernetesError(thrown, "Timeout")) throw thrown;
      this.#options.onError?.(thrown);
    } finally {
      isUseful ||= clock.monotonicMs() - openedAtMs >= shortWatchMs;
      if (isUseful) this.#failures = 0;
    }
    return isUseful;
  }

  #take(event: WatchEvent<T>): void {
    if (event.type === "BOOKMARK") {
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    const key = keyOf(event.object);
    if (event.type === "DELETED") this.#remove(key, event.object);
    else this.#put(key, event.object);
    // Last, so that a change that could not be taken is asked for again.
    this.#resourceVersion = event.object.metadata.resourceVersion;
  }

  async #listAll(): Promise<string> {
    const { client, kind, namespace, labelSelector, fieldSelector, pageSize = 500 } = this.#options;
    const selection = { namespace, labelSelector, fieldSelector, signal: this.#stop.signal };
    const seen = new Map<string, Stored<T>>();
    let token: string | undefined;
    let resourceVersion: string;
    do {
      const page = await client.list<T>(kind, { ...selection, limit: pageSize, continue: token });
      this.#heard();
      for (const object of page.items) seen.set(keyOf(object), object);
      token = page.continue;
      resourceVersion = page.resourceVersion;
    } while (token !== undefined);
    for (const [key, object] of [...this.#objects]) if (!seen.has(key)) this.#remove(key, object);
    for (const [key, object] of seen) this.#put(key, object);
    this.#hasSynced = true;
    this.#isCurrent = true;
    this.#firstList.resolve(undefined);
    return resourceVersion;
  }

  #put(key: string, received: Stored<T>): void {
    const previous = this.#objects.get(key);
    if (previous?.metadata.resourceVersion === received.metadata.resourceVersion) return;
    // Another uid means that one object went and another came, even if we were away meanwhile.
    if (previous !== undefined && previous.metadata.uid !== received.metadata.uid) this.#remove(key, previous);
    const object = this.#transform(received);
    const before = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#index.put(key, object);
    if (before === undefined) this.#tell({ type: "added", object });
    else this.#tell({ type: "modified", object, previous: before });
  }

  #remove(key: string, last: Stored<T>): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    this.#index.remove(key);
    const object = last === previous ? last : this.#transform(last);
    this.#tell({ type: "deleted", object, previous });
  }

  #transform(object: Stored<T>): Stored<T> {
    const { transform = withoutManagedFields, strings } = this.#options;
    const kept = transform(object);
    return strings === undefined ? kept : strings.share(kept);
  }

  #tell(change: Change<T>): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#options.onError?.(toKubernetesError(`tell of a change of ${this.#options.kind.plural}`, error));
      }
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #heard(): void {
    this.#lastHeardAtMs = this.#options.clock.nowMs();
  }
}

/** True for failures of a cache that come and go by themselves: worth a line at debug level, no more. */
export function isPassing(error: KubernetesError): boolean {
  return isKubernetesError(error, "Gone", "Timeout", "Unavailable", "TooManyRequests");
}
