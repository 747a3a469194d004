import type { ImageAnswer, ResolveImageRequest } from "../crds/wire/images.ts";
import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";

/** The package store as the operator sees it. All reject when it does not answer. */
export interface PackageStoreClient {
  resolve(request: ResolveRequest, signal: AbortSignal): Promise<ResolveAnswer>;
  /** Without credentials. */
  resolveImage(request: ResolveImageRequest, signal: AbortSignal): Promise<ImageAnswer>;
  /** Namespace → digests that are still needed. */
  putReferences(references: Readonly<Record<string, readonly string[]>>, signal: AbortSignal): Promise<void>;
}
