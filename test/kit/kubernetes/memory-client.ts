import type { KubernetesClient, PatchOptions, DeleteOptions } from "../../../lib/kubernetes/client.ts";
import { createKindTable, type KindTable, refOf } from "../../../lib/kubernetes/kinds.ts";
import { KubernetesError, type KubernetesErrorCode } from "../../../lib/kubernetes/kubernetes-error.ts";
import { type KubernetesObject, objectKey, type ObjectRef, type Stored } from "../../../lib/kubernetes/object.ts";
import { widgetKind } from "./objects.ts";

/**
 * Objects in a map for tests of what writes them: versions, conflicts and names that exist, but no selectors, no field
 * managers and no watches. Keeps a log of requests, and fails when it is told to.
 */
export class MemoryClient implements KubernetesClient {
  /** E.g. `create ConfigMap a/b`. */
  readonly requests: string[] = [];
  readonly kindOf: KindTable = createKindTable([widgetKind]);
  readonly #objects = new Map<string, Stored>();
  readonly #failures: { readonly pattern: RegExp; readonly code: KubernetesErrorCode }[] = [];
  #version = 100;

  /** The next request whose log line matches fails with this code, without effect. */
  failNext(pattern: RegExp, code: KubernetesErrorCode): void {
    this.#failures.push({ pattern, code });
  }

  find(ref: ObjectRef): Stored | undefined {
    return this.#objects.get(lineOf(ref));
  }

  get<T extends KubernetesObject>(ref: ObjectRef): Promise<Stored<T>> {
    return this.#attempt("get", ref, () => this.#read(ref) as Stored<T>);
  }

  create<T extends KubernetesObject>(object: T): Promise<Stored<T>> {
    const ref = refOf(this.kindOf(object), object);
    return this.#attempt("create", ref, () => {
      if (this.find(ref) !== undefined) throw failure("AlreadyExists", ref);
      return this.#write(ref, object, `uid-${++this.#version}`) as Stored<T>;
    });
  }

  update<T extends KubernetesObject>(object: T): Promise<Stored<T>> {
    const ref = refOf(this.kindOf(object), object);
    return this.#attempt("update", ref, () => {
      const before = this.#readAt(ref, object.metadata.resourceVersion);
      return this.#write(ref, object, before.metadata.uid) as Stored<T>;
    });
  }

  apply<T extends KubernetesObject>(object: T): Promise<Stored<T>> {
    const ref = refOf(this.kindOf(object), object);
    return this.#attempt("apply", ref, () => {
      const uid = this.find(ref)?.metadata.uid ?? `uid-${++this.#version}`;
      return this.#write(ref, object, uid) as Stored<T>;
    });
  }

  patch<T extends KubernetesObject>(ref: ObjectRef, patch: object, options: PatchOptions = {}): Promise<Stored<T>> {
    const verb = options.subresource === undefined ? "patch" : `patch ${options.subresource} of`;
    return this.#attempt(verb, ref, () => {
      const { metadata = {}, ...rest } = patch as { metadata?: { resourceVersion?: string; finalizers?: string[] } };
      const before = this.#readAt(ref, metadata.resourceVersion);
      const merged = { ...before, ...rest, metadata: { ...before.metadata, ...metadata } };
      const stored = this.#write(ref, merged, before.metadata.uid);
      const isEnding = stored.metadata.deletionTimestamp !== undefined;
      if (isEnding && stored.metadata.finalizers?.length === 0) this.#objects.delete(lineOf(ref));
      return stored as Stored<T>;
    });
  }

  delete(ref: ObjectRef, { uid }: DeleteOptions = {}): Promise<void> {
    return this.#attempt("delete", ref, () => {
      const before = this.#read(ref);
      if (uid !== undefined && uid !== before.metadata.uid) throw failure("Conflict", ref);
      if ((before.metadata.finalizers ?? []).length === 0) {
        this.#objects.delete(lineOf(ref));
        return;
      }
      const metadata = { ...before.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
      this.#write(ref, { ...before, metadata }, before.metadata.uid);
    });
  }

  list(): never {
    throw new TypeError("Cannot list: this client serves tests of writers");
  }

  watch(): never {
    throw new TypeError("Cannot watch: this client serves tests of writers");
  }

  raw(): never {
    throw new TypeError("Cannot ask raw paths: this client serves tests of writers");
  }

  #read(ref: ObjectRef): Stored {
    const found = this.find(ref);
    if (found === undefined) throw failure("NotFound", ref);
    return found;
  }

  #readAt(ref: ObjectRef, resourceVersion: string | undefined): Stored {
    const found = this.#read(ref);
    if (resourceVersion === undefined || resourceVersion === found.metadata.resourceVersion) return found;
    throw failure("Conflict", ref);
  }

  #write(ref: ObjectRef, object: KubernetesObject, uid: string): Stored {
    const resourceVersion = String(++this.#version);
    const metadata = { ...object.metadata, uid, resourceVersion, creationTimestamp: "2026-01-01T00:00:00Z" };
    const stored: Stored = { ...object, metadata };
    this.#objects.set(lineOf(ref), stored);
    return stored;
  }

  async #attempt<T>(verb: string, ref: ObjectRef, act: () => T): Promise<T> {
    const line = `${verb} ${lineOf(ref)}`;
    this.requests.push(line);
    // An answer never comes in the same turn.
    await Promise.resolve();
    const planned = this.#failures.findIndex(({ pattern }) => pattern.test(line));
    const [failed] = planned < 0 ? [] : this.#failures.splice(planned, 1);
    if (failed !== undefined) throw failure(failed.code, ref);
    return act();
  }
}

function lineOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind.kind} ${objectKey(namespace, name)}`;
}

function failure(code: KubernetesErrorCode, ref: ObjectRef): KubernetesError {
  return new KubernetesError({ code, action: `reach ${lineOf(ref)}`, serverMessage: `the test says ${code}` });
}
