import type { KindRef, KubernetesObject, ObjectRef, Stored } from "./object.ts";

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whole request, answer included. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Never waits behind other requests: it has connections that only such requests use. For the few that others depend on. */
  readonly isUrgent?: boolean | undefined;
}

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  /** In the API's syntax, e.g. "app=a,tier in (b,c),!d". */
  readonly labelSelector?: string | undefined;
  /** Every kind knows metadata.name and metadata.namespace; pods also spec.nodeName, status.phase and some more. */
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends RequestOptions, Selection {
  /** Most objects of one page; absent: all at once. */
  readonly limit?: number | undefined;
  /** The former page's `continue`. */
  readonly continue?: string | undefined;
  /** Absent: the newest state. "0": whatever the server has in its cache. */
  readonly resourceVersion?: string | undefined;
}

export interface ObjectList<T extends KubernetesObject> {
  /** Every item has its `apiVersion` and `kind`. */
  readonly items: readonly Stored<T>[];
  /** Where a watch goes on from this list. */
  readonly resourceVersion: string;
  /** Present when there are more pages. */
  readonly continue?: string;
}

export interface WatchOptions extends Selection {
  /** Where to begin: changes after this one. */
  readonly resourceVersion: string;
  readonly signal?: AbortSignal | undefined;
  /** After so long without a byte (a bookmark comes about once a minute) it fails with `Timeout`. Default 90,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** The server ends the watch after so long. Default 300 to 600 s, drawn. */
  readonly timeoutMs?: number | undefined;
  /** Called once when the server has accepted the watch: from then on silence means that nothing changed. */
  readonly onOpen?: (() => void) | undefined;
}

export type WatchEvent<T extends KubernetesObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Stored<T> }
  /** Nothing up to this version concerns the watcher but what it has been told. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface ApplyOptions extends RequestOptions {
  readonly fieldManager: string;
  /** Take fields over that another manager has set. Without: `Conflict`. */
  readonly force?: boolean | undefined;
}

export interface PatchOptions extends RequestOptions {
  readonly subresource?: "status" | "scale" | undefined;
  readonly fieldManager?: string | undefined;
}

export interface UpdateOptions extends RequestOptions {
  readonly subresource?: "status" | undefined;
}

export interface DeleteOptions extends RequestOptions {
  /** Precondition: `Conflict` when the object of this name is another one by now. */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
}

/**
 * What we ask of an API server, in plain JSON. All fail with a KubernetesError, or with the signal's reason when aborted.
 * The real one is ApiServerClient; `test/contract/kubernetes-client-suite.ts` says what any other has to do.
 */
export interface KubernetesClient {
  get<T extends KubernetesObject>(ref: ObjectRef, options?: RequestOptions): Promise<Stored<T>>;
  /** One page. */
  list<T extends KubernetesObject>(kind: KindRef, options?: ListOptions): Promise<ObjectList<T>>;
  create<T extends KubernetesObject>(object: T, options?: RequestOptions): Promise<Stored<T>>;
  /** Replaces the object; with `metadata.resourceVersion` only if it is still at that version, else `Conflict`. */
  update<T extends KubernetesObject>(object: T, options?: UpdateOptions): Promise<Stored<T>>;
  /** Server-side apply: makes it if need be, sets what is given, and removes what this manager gave before and not now. */
  apply<T extends KubernetesObject>(object: T, options: ApplyOptions): Promise<Stored<T>>;
  /** JSON merge patch (RFC 7396); `metadata.resourceVersion` in it is a precondition. */
  patch<T extends KubernetesObject>(ref: ObjectRef, patch: object, options?: PatchOptions): Promise<Stored<T>>;
  /** Asks for the end of the object; it goes once its finalizers are gone and, for a pod, its processes. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** Ends without error when the server ends it; fails with `Gone` when `resourceVersion` is too old: list again. */
  watch<T extends KubernetesObject>(kind: KindRef, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** Any other path that speaks JSON, e.g. GET "/openid/v1/jwks". */
  raw(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<unknown>;
}
