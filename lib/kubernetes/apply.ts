import { createHash } from "node:crypto";
import type { KubernetesClient, RequestOptions } from "./client.ts";
import { isRecord } from "./deep-equal.ts";
import { keyOf, type KubernetesObject, type Stored } from "./object.ts";

export interface ApplierOptions {
  readonly client: KubernetesClient;
  /** Whose fields ours are, e.g. "kubelambda". */
  readonly fieldManager: string;
  /** How many objects it remembers. Default 20,000. */
  readonly capacity?: number;
}

interface Applied {
  readonly hash: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * Server-side apply under one field manager. Applying the same again costs no request as long as the object that the
 * caller has in its cache is the one that our last apply answered with.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #applied = new Map<string, Applied>();

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /**
   * Makes the object as it is given, taking fields over that others have set; `cached` is what the caller's cache holds.
   * Answers with the stored object, or `cached` where nothing had to be done.
   */
  async apply(object: KubernetesObject, cached?: Stored, options: RequestOptions = {}): Promise<Stored> {
    const key = `${object.apiVersion}/${object.kind}/${keyOf(object)}`;
    const hash = hashOf(object);
    const last = this.#applied.get(key);
    if (cached !== undefined && last?.hash === hash && isSame(last, cached)) return cached;
    this.#applied.delete(key);
    const { client, fieldManager, capacity = 20_000 } = this.#options;
    const stored: Stored = await client.apply(object, { ...options, fieldManager, force: true });
    const { uid, resourceVersion } = stored.metadata;
    this.#applied.set(key, { hash, uid, resourceVersion });
    // Maps keep the order of insertion: the first has not been applied for the longest time.
    const [oldest] = this.#applied.keys();
    if (this.#applied.size > capacity && oldest !== undefined) this.#applied.delete(oldest);
    return stored;
  }

  /** Forgets an object, e.g. because it was removed. */
  forget(object: Pick<KubernetesObject, "apiVersion" | "kind" | "metadata">): void {
    this.#applied.delete(`${object.apiVersion}/${object.kind}/${keyOf(object)}`);
  }
}

function isSame(applied: Applied, { metadata }: Stored): boolean {
  return metadata.uid === applied.uid && metadata.resourceVersion === applied.resourceVersion;
}

function hashOf(object: KubernetesObject): string {
  return createHash("sha256").update(JSON.stringify(object, sortMembers)).digest("base64");
}

function sortMembers(_name: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
