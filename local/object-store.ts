/** An API server's object store in memory: the same interface and, as far as our processes can tell, the same behaviour. */
import { randomBytes, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type {
  ApplyOptions,
  DeleteOptions,
  KubernetesClient,
  ListOptions,
  ObjectList,
  PatchOptions,
  UpdateOptions,
  WatchEvent,
  WatchOptions,
} from "../lib/kubernetes/client.ts";
import { createKindTable, type KindTable } from "../lib/kubernetes/kinds.ts";
import { KubernetesError, type KubernetesErrorCode } from "../lib/kubernetes/kubernetes-error.ts";
import {
  keyOf,
  objectKey,
  type KindRef,
  type KubernetesObject,
  type ObjectMeta,
  type ObjectRef,
  type Stored,
} from "../lib/kubernetes/object.ts";
import { applyFields, conflictOf, mergePatch, type Json } from "./merge.ts";
import { ChangeLog } from "./change-log.ts";
import { mainPart, podGraceSeconds, serverFields, toEvent } from "./object-rules.ts";
import { selectorPredicate } from "./selectors.ts";

/** Answers a path of `raw`, e.g. "GET /openid/v1/jwks". */
export type RawAnswers = Readonly<Record<string, (body: unknown) => unknown>>;

export interface ObjectStoreOptions {
  readonly kinds: readonly KindRef[];
  readonly nowMs: () => number;
  readonly raw?: RawAnswers;
  /** Default: a random UUID. */
  readonly newUid?: () => string;
}

type Mutable = { -readonly [K in keyof KubernetesObject]: KubernetesObject[K] };

export class ObjectStore implements KubernetesClient {
  readonly #objects = new Map<string, Map<string, Stored>>();
  readonly #applied = new Map<string, Map<string, KubernetesObject>>();
  readonly #log = new ChangeLog();
  readonly #kindOf: KindTable;
  readonly #nowMs: () => number;
  readonly #raw: RawAnswers;
  readonly #newUid: () => string;

  constructor(options: ObjectStoreOptions) {
    this.#kindOf = createKindTable(options.kinds);
    this.#nowMs = options.nowMs;
    this.#raw = options.raw ?? {};
    this.#newUid = options.newUid ?? randomUUID;
  }

  get<T extends KubernetesObject>(ref: ObjectRef): Promise<Stored<T>> {
    return attempt(() => this.#read(ref, "get") as Stored<T>);
  }

  list<T extends KubernetesObject>(kind: KindRef, options: ListOptions = {}): Promise<ObjectList<T>> {
    return attempt(() => {
      options.signal?.throwIfAborted();
      const matches = this.#predicate(options.namespace, options);
      const all = [...this.#collection(kind).values()].filter(matches).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
      const rest = all.filter((object) => options.continue === undefined || keyOf(object) > options.continue);
      const page = rest.slice(0, options.limit ?? rest.length);
      const last = page.at(-1);
      return {
        items: page as Stored<T>[],
        resourceVersion: String(this.#log.version),
        ...(page.length < rest.length && last !== undefined && { continue: keyOf(last) }),
      };
    });
  }

  create<T extends KubernetesObject>(object: T): Promise<Stored<T>> {
    return attempt(() => {
      const kind = this.#kindOf(object);
      const name =
        object.metadata.name || `${object.metadata.generateName ?? ""}${randomBytes(3).toString("hex").slice(0, 5)}`;
      const { status: _status, ...rest } = object;
      const meta: ObjectMeta = { ...object.metadata, name };
      const ref = refOf(kind, meta);
      if (this.#collection(kind).has(keyOf({ metadata: meta })))
        throw this.#error("AlreadyExists", "create", ref, "already exists");
      this.#checkMetadata(ref, meta, undefined);
      const metadata = { ...meta, uid: this.#newUid(), generation: 1, creationTimestamp: this.#timestamp() };
      return this.#store("ADDED", kind, { ...rest, metadata }) as Stored<T>;
    });
  }

  update<T extends KubernetesObject>(object: T, options: UpdateOptions = {}): Promise<Stored<T>> {
    return attempt(() => {
      const kind = this.#kindOf(object);
      const current = this.#read(refOf(kind, object.metadata), "update");
      this.#checkVersion(current, object.metadata.resourceVersion, "update", kind);
      return this.#replace(kind, current, object, options.subresource) as Stored<T>;
    });
  }

  apply<T extends KubernetesObject>(object: T, options: ApplyOptions): Promise<Stored<T>> {
    return attempt(() => {
      const kind = this.#kindOf(object);
      const id = `${kind.apiVersion}/${kind.kind}/${keyOf(object)}`;
      const managers = this.#applied.get(id) ?? new Map<string, KubernetesObject>();
      const current = this.#collection(kind).get(keyOf(object));
      if (options.force !== true)
        this.#checkManagers(refOf(kind, object.metadata), object, managers, options.fieldManager);
      const merged = applyFields(
        current as Json | undefined,
        managers.get(options.fieldManager) as Json | undefined,
        object as unknown as Json,
      );
      this.#applied.set(id, managers.set(options.fieldManager, object));
      if (current !== undefined)
        return this.#replace(kind, current, merged as unknown as KubernetesObject, undefined) as Stored<T>;
      const metadata = { ...object.metadata, uid: this.#newUid(), generation: 1, creationTimestamp: this.#timestamp() };
      const { status: _status, ...rest } = object;
      return this.#store("ADDED", kind, { ...rest, metadata }) as Stored<T>;
    });
  }

  patch<T extends KubernetesObject>(ref: ObjectRef, patch: object, options: PatchOptions = {}): Promise<Stored<T>> {
    return attempt(() => {
      const current = this.#read(ref, "patch");
      const { resourceVersion, uid } = (patch as { metadata?: ObjectMeta }).metadata ?? {};
      this.#checkVersion(current, resourceVersion, "patch", ref.kind);
      if (uid !== undefined && uid !== current.metadata.uid)
        throw this.#error("Conflict", "patch", ref, "has another uid than the precondition names");
      const merged = mergePatch(current as unknown as Json, patch as Json) as unknown as KubernetesObject;
      return this.#replace(ref.kind, current, merged, options.subresource) as Stored<T>;
    });
  }

  delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    return attempt(() => {
      const current = this.#read(ref, "delete");
      this.#checkVersion(current, options.resourceVersion, "delete", ref.kind);
      if (options.uid !== undefined && options.uid !== current.metadata.uid) {
        throw this.#error("Conflict", "delete", ref, "has another uid than the precondition names");
      }
      const graceSeconds = podGraceSeconds(ref.kind, current, options.gracePeriodSeconds);
      if ((current.metadata.finalizers ?? []).length === 0 && graceSeconds === 0) {
        this.#remove(ref.kind, current);
      } else if (current.metadata.deletionTimestamp === undefined) {
        const metadata = {
          ...current.metadata,
          deletionTimestamp: this.#timestamp(),
          deletionGracePeriodSeconds: graceSeconds,
        };
        this.#store("MODIFIED", ref.kind, { ...current, metadata });
      }
    });
  }

  async *watch<T extends KubernetesObject>(kind: KindRef, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const matches = this.#predicate(options.namespace, options);
    const from = Number(options.resourceVersion);
    if (!this.#log.reaches(from))
      throw this.#error("Gone", "watch", { kind, name: "" }, "cannot be watched from so old a resource version");
    const ending = AbortSignal.any([
      ...(options.signal === undefined ? [] : [options.signal]),
      ...(options.timeoutMs === undefined ? [] : [AbortSignal.timeout(options.timeoutMs)]),
    ]);
    options.onOpen?.();
    try {
      for await (const change of this.#log.since(from, ending)) {
        const event = toEvent(change, kind, matches);
        if (event !== undefined) yield event as WatchEvent<T>;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!ending.aborted) throw error;
    }
  }

  raw(method: string, path: string, body?: unknown): Promise<unknown> {
    return attempt(() => {
      const answer = this.#raw[`${method} ${path}`];
      if (answer === undefined)
        throw new KubernetesError({
          code: "NotFound",
          action: `${method} ${path}`,
          serverMessage: "local mode has no such path",
        });
      return answer(body);
    });
  }

  #collection(kind: KindRef): Map<string, Stored> {
    const id = `${kind.apiVersion}/${kind.kind}`;
    const known = this.#objects.get(id);
    if (known !== undefined) return known;
    const fresh = new Map<string, Stored>();
    this.#objects.set(id, fresh);
    return fresh;
  }

  #read(ref: ObjectRef, verb: string): Stored {
    const object = this.#collection(ref.kind).get(objectKey(ref.namespace, ref.name));
    if (object === undefined) throw this.#error("NotFound", verb, ref, "not found");
    return object;
  }

  /** Main and status parts change apart; the generation counts changes of the main one. */
  #replace(kind: KindRef, current: Stored, wanted: KubernetesObject, subresource: string | undefined): Stored {
    this.#checkMetadata(refOf(kind, current.metadata), wanted.metadata, current);
    const next: Mutable =
      subresource === "status"
        ? { ...current, status: wanted.status }
        : {
            ...wanted,
            ...("status" in current ? { status: current.status } : {}),
            metadata: { ...wanted.metadata, ...serverFields(current) },
          };
    if (next.status === undefined) delete next.status;
    if (isDeepStrictEqual(next, current)) return current;
    if (!isDeepStrictEqual(mainPart(next), mainPart(current))) {
      next.metadata = { ...next.metadata, generation: (current.metadata.generation ?? 0) + 1 };
    }
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = next.metadata;
    if (deletionTimestamp !== undefined && (finalizers ?? []).length === 0 && (deletionGracePeriodSeconds ?? 0) === 0) {
      return this.#remove(kind, next as Stored);
    }
    return this.#store("MODIFIED", kind, next);
  }

  #store(type: "ADDED" | "MODIFIED", kind: KindRef, object: KubernetesObject): Stored {
    const stored = this.#log.append(type, kind, object, this.#collection(kind).get(keyOf(object)));
    this.#collection(kind).set(keyOf(stored), stored);
    return stored;
  }

  #remove(kind: KindRef, object: Stored): Stored {
    this.#collection(kind).delete(keyOf(object));
    this.#applied.delete(`${kind.apiVersion}/${kind.kind}/${keyOf(object)}`);
    return this.#log.append("DELETED", kind, object, object);
  }

  #predicate(
    namespace: string | undefined,
    options: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined },
  ) {
    const selected = selectorPredicate(options.labelSelector, options.fieldSelector);
    return (object: KubernetesObject): boolean =>
      (namespace === undefined || object.metadata.namespace === namespace) && selected(object);
  }

  /** A field that another manager applied with another value is that manager's. */
  #checkManagers(
    ref: ObjectRef,
    object: KubernetesObject,
    managers: ReadonlyMap<string, KubernetesObject>,
    own: string,
  ): void {
    for (const [manager, applied] of managers) {
      if (manager === own) continue;
      const path = conflictOf(applied as unknown as Json, object as unknown as Json);
      if (path !== undefined) throw this.#error("Conflict", "apply", ref, `has ${path} from manager "${manager}"`);
    }
  }

  /** Rules of metadata that hold for every kind; `current` is absent for a new object. */
  #checkMetadata(ref: ObjectRef, wanted: ObjectMeta, current: Stored | undefined): void {
    const { deletionTimestamp, finalizers = [] } = current?.metadata ?? {};
    const isNewDeletion = wanted.deletionTimestamp !== undefined && wanted.deletionTimestamp !== deletionTimestamp;
    if (isNewDeletion) throw this.#error("Invalid", "write", ref, "gets a deletion time by being deleted only");
    const added = (wanted.finalizers ?? []).filter((name) => !finalizers.includes(name));
    if (deletionTimestamp !== undefined && added.length > 0) {
      throw this.#error("Invalid", "write", ref, `is being deleted and takes no new finalizer: ${added.join(", ")}`);
    }
    const managing = (wanted.ownerReferences ?? []).filter(({ controller }) => controller === true);
    if (managing.length > 1) throw this.#error("Invalid", "write", ref, "has two owners with controller: true");
  }

  #checkVersion(current: Stored, wanted: string | undefined, verb: string, kind: KindRef): void {
    if (wanted === undefined || wanted === current.metadata.resourceVersion) return;
    throw this.#error("Conflict", verb, refOf(kind, current.metadata), "has been modified; read it again");
  }

  #error(
    code: KubernetesErrorCode,
    verb: string,
    { kind, namespace, name }: ObjectRef,
    serverMessage: string,
  ): KubernetesError {
    return new KubernetesError({
      code,
      action: `${verb} ${kind.plural} "${objectKey(namespace, name)}"`,
      serverMessage: `${kind.plural} "${name}" ${serverMessage}`,
    });
  }

  #timestamp(): string {
    return new Date(this.#nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
  }
}

function refOf(kind: KindRef, { name, namespace }: ObjectMeta): ObjectRef {
  return { kind, name, ...(namespace !== undefined && { namespace }) };
}

/** Runs at once, answers as a promise: what is thrown rejects. */
function attempt<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(call());
  });
}
