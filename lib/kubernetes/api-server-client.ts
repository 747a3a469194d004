import type { Dispatcher } from "undici";
import { BodyTooLargeError, readBody } from "../http/read-body.ts";
import { type Clock, systemClock } from "../clock.ts";
import { withDeadline } from "../with-deadline.ts";
import type { ApiServerAccess } from "./api-server-access.ts";
import type {
  ApplyOptions,
  DeleteOptions,
  KubernetesClient,
  ListOptions,
  ObjectList,
  PatchOptions,
  RequestOptions,
  UpdateOptions,
  WatchEvent,
  WatchOptions,
} from "./client.ts";
import { ConnectionPool, type Purpose } from "./connection-pool.ts";
import { createKindTable, type KindTable, pathOf, refOf } from "./kinds.ts";
import { isKubernetesError, KubernetesError } from "./kubernetes-error.ts";
import { type KindRef, type KubernetesObject, objectKey, type ObjectRef, type Stored } from "./object.ts";
import { failureToKubernetesError, type FailureStatus, toKubernetesError } from "./to-kubernetes-error.ts";
import { readWatchEvents } from "./watch-events.ts";

export interface ApiServerClientOptions {
  readonly access: ApiServerAccess;
  /** Kinds beside those of `kinds.ts`; create, update and apply know no others. */
  readonly kinds?: readonly KindRef[];
  /** Default "kubelambda": shown in the API server's audit log and, where nothing else is given, as the field manager. */
  readonly userAgent?: string;
  /** Most connections for requests that are not urgent. Default 16. */
  readonly connections?: number;
  /** Longest answer to one request. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  readonly clock?: Clock;
  readonly draw?: () => number;
}

interface Call {
  /** For messages, e.g. `get pods "a/b"`. */
  readonly action: string;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly options?: RequestOptions | undefined;
}

const defaultTimeoutMs = 30_000;
const longestErrorBytes = 256 * 1024;

/** The client of a real API server: raw JSON over kept connections, every request with a deadline and a bound. */
export class ApiServerClient implements KubernetesClient {
  readonly #pool: ConnectionPool;
  readonly #kindOf: KindTable;
  readonly #userAgent: string;
  readonly #maxResponseBytes: number;
  readonly #draw: () => number;

  constructor(options: ApiServerClientOptions) {
    const { access, clock = systemClock, connections = 16 } = options;
    this.#pool = new ConnectionPool({ access, clock, connections });
    this.#kindOf = createKindTable(options.kinds);
    this.#userAgent = options.userAgent ?? "kubelambda";
    this.#maxResponseBytes = options.maxResponseBytes ?? 64 * 1024 * 1024;
    this.#draw = options.draw ?? Math.random;
  }

  async get<T extends KubernetesObject>(ref: ObjectRef, options?: RequestOptions): Promise<Stored<T>> {
    const path = pathOf(ref.kind, ref.namespace, ref.name);
    return (await this.#call({ action: actionOn("get", ref), method: "GET", path, options })) as Stored<T>;
  }

  async list<T extends KubernetesObject>(kind: KindRef, options: ListOptions = {}): Promise<ObjectList<T>> {
    const { namespace, limit, continue: token, resourceVersion, labelSelector, fieldSelector } = options;
    const query = { limit, continue: token, resourceVersion, labelSelector, fieldSelector };
    const path = pathOf(kind, namespace);
    const answer = await this.#call({ action: `list ${kind.plural}`, method: "GET", path, query, options });
    const { metadata, items } = answer as {
      readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
      readonly items: readonly Stored<T>[] | null;
    };
    return {
      // Items of a list come without their kind, unless it is a custom one.
      items: (items ?? []).map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })),
      resourceVersion: metadata.resourceVersion,
      ...(metadata.continue !== undefined && metadata.continue !== "" && { continue: metadata.continue }),
    };
  }

  async create<T extends KubernetesObject>(object: T, options?: RequestOptions): Promise<Stored<T>> {
    const ref = refOf(this.#kindOf(object), object);
    const path = pathOf(ref.kind, ref.namespace);
    const call = { action: actionOn("create", ref), method: "POST", path, body: object, options };
    return (await this.#call(call)) as Stored<T>;
  }

  async update<T extends KubernetesObject>(object: T, options: UpdateOptions = {}): Promise<Stored<T>> {
    const ref = refOf(this.#kindOf(object), object);
    const path = withSubresource(pathOf(ref.kind, ref.namespace, ref.name), options.subresource);
    const call = { action: actionOn("update", ref), method: "PUT", path, body: object, options };
    return (await this.#call(call)) as Stored<T>;
  }

  async apply<T extends KubernetesObject>(object: T, options: ApplyOptions): Promise<Stored<T>> {
    const ref = refOf(this.#kindOf(object), object);
    const { fieldManager, force } = options;
    const call: Call = {
      action: actionOn("apply", ref),
      method: "PATCH",
      path: pathOf(ref.kind, ref.namespace, ref.name),
      query: { fieldManager, force },
      body: object,
      contentType: "application/apply-patch+yaml",
      options,
    };
    return (await this.#call(call)) as Stored<T>;
  }

  async patch<T extends KubernetesObject>(
    ref: ObjectRef,
    patch: object,
    options: PatchOptions = {},
  ): Promise<Stored<T>> {
    const { subresource, fieldManager } = options;
    const call: Call = {
      action: actionOn(subresource === undefined ? "patch" : `patch ${subresource} of`, ref),
      method: "PATCH",
      path: withSubresource(pathOf(ref.kind, ref.namespace, ref.name), subresource),
      query: { fieldManager },
      body: patch,
      contentType: "application/merge-patch+json",
      options,
    };
    return (await this.#call(call)) as Stored<T>;
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      ...((uid !== undefined || resourceVersion !== undefined) && { preconditions: { uid, resourceVersion } }),
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...(propagationPolicy !== undefined && { propagationPolicy }),
    };
    const path = pathOf(ref.kind, ref.namespace, ref.name);
    await this.#call({ action: actionOn("delete", ref), method: "DELETE", path, body, options });
  }

  async *watch<T extends KubernetesObject>(kind: KindRef, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const { namespace, resourceVersion, labelSelector, fieldSelector, signal, idleTimeoutMs = 90_000 } = options;
    const timeoutMs = options.timeoutMs ?? 300_000 * (1 + this.#draw());
    const action = `watch ${kind.plural}`;
    const timeoutSeconds = Math.max(1, Math.ceil(timeoutMs / 1000));
    const path = withQuery(pathOf(kind, namespace), {
      watch: 1,
      allowWatchBookmarks: true,
      timeoutSeconds,
      resourceVersion,
      labelSelector,
      fieldSelector,
    });
    try {
      const timeouts = { headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs };
      const answer = await this.#send("watch", { method: "GET", path, signal: signal ?? null, ...timeouts });
      if (answer.statusCode !== 200) throw await this.#failure(action, answer);
      options.onOpen?.();
      yield* readWatchEvents<T>(action, answer.body);
    } catch (error) {
      signal?.throwIfAborted();
      throw toKubernetesError(action, error);
    }
  }

  raw(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<unknown> {
    return this.#call({ action: `${method} ${path}`, method, path, body, options });
  }

  /** Cuts all connections: requests under way fail with `Unavailable`, watches too. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async #call(call: Call): Promise<unknown> {
    const { action, options = {} } = call;
    const { signal, timeoutMs = defaultTimeoutMs, isUrgent = false } = options;
    const purpose = isUrgent ? "urgent" : "request";
    try {
      return await withDeadline({ timeoutMs, signal }, (ending) => this.#answer(purpose, call, ending));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof BodyTooLargeError) {
        const serverMessage = `the answer is longer than ${error.limitBytes} bytes`;
        throw new KubernetesError({ code: "TooLarge", action, serverMessage, cause: error });
      }
      throw toKubernetesError(action, error);
    }
  }

  async #answer(purpose: Purpose, call: Call, signal: AbortSignal): Promise<unknown> {
    const { action, method, path, query = {}, body, contentType = "application/json" } = call;
    const answer = await this.#send(purpose, {
      method,
      path: withQuery(path, query),
      signal,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { "content-type": contentType } }),
    });
    if (answer.statusCode >= 300) throw await this.#failure(action, answer);
    return JSON.parse((await readBody(answer.body, this.#maxResponseBytes)).toString("utf8")) as unknown;
  }

  async #send(
    purpose: Purpose,
    request: Omit<Dispatcher.RequestOptions, "origin" | "headers"> & { readonly headers?: Record<string, string> },
  ): Promise<Dispatcher.ResponseData> {
    for (let attempt = 1; ; attempt++) {
      const way = await this.#pool.wayFor(purpose);
      const headers = {
        accept: "application/json, */*",
        "user-agent": this.#userAgent,
        ...way.headers,
        ...request.headers,
      };
      const path = way.pathPrefix + request.path;
      const answer = await way.dispatcher.request({ ...request, path, origin: way.origin, headers });
      if (answer.statusCode !== 401 || attempt === 2) return answer;
      // A token that was rotated: refused requests have had no effect, so this one may go again.
      await answer.body.dump();
      this.#pool.forgetCredentials();
    }
  }

  async #failure(action: string, { statusCode, headers, body }: Dispatcher.ResponseData): Promise<KubernetesError> {
    const text = (await readBody(body, longestErrorBytes)).toString("utf8");
    const error = failureToKubernetesError(action, parseFailure(text, statusCode, Number(headers["retry-after"])));
    if (isKubernetesError(error, "Unauthorized")) this.#pool.forgetCredentials();
    return error;
  }
}

function parseFailure(text: string, statusCode: number, retryAfterSeconds: number): FailureStatus {
  const retry = Number.isFinite(retryAfterSeconds) ? { retryAfterSeconds } : {};
  try {
    const parsed = JSON.parse(text) as FailureStatus & { readonly kind?: string };
    if (parsed.kind === "Status") return { ...parsed, code: statusCode, details: { ...retry, ...parsed.details } };
  } catch {
    // Proxies and unknown paths answer in plain text.
  }
  return {
    code: statusCode,
    message: text.trim().slice(0, 500) || `the server answered ${statusCode}`,
    details: retry,
  };
}

function actionOn(verb: string, { kind, namespace, name }: ObjectRef): string {
  return `${verb} ${kind.plural} "${objectKey(namespace, name)}"`;
}

function withSubresource(path: string, subresource: string | undefined): string {
  return subresource === undefined ? path : `${path}/${subresource}`;
}

function withQuery(path: string, query: NonNullable<Call["query"]>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value));
  return params.size === 0 ? path : `${path}?${params.toString()}`;
}
