import type { KubernetesClient, RequestOptions } from "./client.ts";
import { refOf } from "./kinds.ts";
import { createMergePatch } from "./merge-patch.ts";
import type { KindRef, Stored } from "./object.ts";

export interface StatusPatch extends RequestOptions {
  readonly kind: KindRef;
  /** The object as it was seen. */
  readonly object: Stored;
  /** The whole status that it shall have. */
  readonly status: unknown;
}

/**
 * Writes a status if it differs from the one that was seen, with one request that carries the difference only.
 * Fails with `Conflict` when the object has changed since: then it has to be looked at again. Answers undefined when equal.
 */
export async function patchStatus(client: KubernetesClient, patch: StatusPatch): Promise<Stored | undefined> {
  const { kind, object, status, ...options } = patch;
  const difference = createMergePatch(object.status ?? {}, status);
  if (difference === undefined) return undefined;
  const { resourceVersion } = object.metadata;
  const body = { metadata: { resourceVersion }, status: difference };
  return await client.patch(refOf(kind, object), body, { ...options, subresource: "status" });
}
