import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";

/** The package store as the operator sees it. Both reject when it does not answer. */
export interface PackageStoreClient {
  resolve(request: ResolveRequest, signal: AbortSignal): Promise<ResolveAnswer>;
  /** Namespace → digests that are still needed. */
  putReferences(references: Readonly<Record<string, readonly string[]>>, signal: AbortSignal): Promise<void>;
}
