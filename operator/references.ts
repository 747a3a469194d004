import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Recipe } from "./controllers/function/recipe.ts";
import type { OperatorCaches } from "./operator-caches.ts";
import type { PackageStoreClient } from "./package-store.ts";

export interface ReferencesOptions {
  readonly store: PackageStoreClient;
  readonly caches: Pick<OperatorCaches, "functions" | "recipes" | "layerVersions" | "snapshots">;
  readonly clock: Clock;
  readonly mayAct: () => boolean;
  readonly log: Logger;
  /** Between two lists. */
  readonly everyMs: number;
}

const putTimeoutMs = 60_000;

/** Tells the package store again and again what is still needed: what functions serve and may return to, and every version of a function or a layer. Returns how to end it. */
export function startReferences(options: ReferencesOptions): () => void {
  const { store, caches, clock, mayAct, log, everyMs } = options;
  const ending = new AbortController();
  let cancel = (): void => undefined;

  async function put(): Promise<void> {
    try {
      // A stale view would let the store collect what is new.
      const read = [caches.functions, caches.recipes, caches.layerVersions, caches.snapshots];
      const isFresh = read.every((cache) => !cache.isStale(clock.nowMs()));
      if (!mayAct() || !isFresh) return;
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(putTimeoutMs)]);
      await store.putReferences(collectReferences(caches), signal);
    } catch (error) {
      if (!ending.signal.aborted) log.warn("Cannot tell the package store what is needed", { error });
    } finally {
      if (!ending.signal.aborted) cancel = clock.schedule(everyMs, () => void put());
    }
  }

  cancel = clock.schedule(everyMs, () => void put());
  return () => {
    ending.abort(new Error("The operator is stopping"));
    cancel();
  };
}

/** Namespace → digests, each once and sorted. */
export function collectReferences({
  functions,
  recipes,
  layerVersions,
  snapshots,
}: ReferencesOptions["caches"]): Record<string, readonly string[]> {
  const digestsByNamespace = new Map<string, Set<string>>();
  const add = (namespace = "", digest: string | undefined): void => {
    const digests = digestsByNamespace.get(namespace) ?? new Set();
    digestsByNamespace.set(namespace, digests);
    if (digest !== undefined) digests.add(digest);
  };
  for (const { metadata, status } of functions.list()) add(metadata.namespace, status?.codeDigest);
  const addRecipe = (namespace: string | undefined, { resolvedImage, code, layers = [] }: Recipe): void => {
    // An image is the registry's to keep.
    add(namespace, resolvedImage === undefined ? code.digest : undefined);
    for (const { digest } of layers) add(namespace, digest);
  };
  for (const { metadata, data } of recipes.list()) addRecipe(metadata.namespace, data);
  for (const { metadata, data } of snapshots.list()) addRecipe(metadata.namespace, data.recipe);
  for (const { metadata, data } of layerVersions.list()) add(metadata.namespace, data.digest);
  return Object.fromEntries([...digestsByNamespace].map(([namespace, digests]) => [namespace, [...digests].sort()]));
}
