import type { ImageAnswer, ResolveImageRequest } from "../crds/wire/images.ts";
import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";

/** Namespace → digests. */
export type PackagesByNamespace = Readonly<Record<string, readonly string[]>>;

/** The package store as the operator sees it. All reject when it does not answer. */
export interface PackageStoreClient {
  resolve(request: ResolveRequest, signal: AbortSignal): Promise<ResolveAnswer>;
  /** Without credentials. */
  resolveImage(request: ResolveImageRequest, signal: AbortSignal): Promise<ImageAnswer>;
  /** Namespace → digests that are still needed; answers in the same form with those that cannot be read. */
  putReferences(references: PackagesByNamespace, signal: AbortSignal): Promise<PackagesByNamespace>;
  /** Asks which store it is: `storeChanges` knows. */
  identify(signal: AbortSignal): Promise<void>;
  /** How often an answer, of whatever kind, came from another store than the one before. */
  readonly storeChanges: number;
}
