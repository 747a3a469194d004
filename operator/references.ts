import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Recipe } from "./controllers/function/recipe.ts";
import type { OperatorCaches } from "./operator-caches.ts";
import type { PackagesByNamespace, PackageStoreClient } from "./package-store.ts";

export interface ReferencesOptions {
  readonly store: PackageStoreClient;
  readonly caches: Pick<OperatorCaches, "functions" | "recipes" | "layerVersions" | "snapshots">;
  readonly clock: Clock;
  readonly mayAct: () => boolean;
  readonly log: Logger;
  /** Between two lists. */
  readonly everyMs: number;
  /** What is needed and cannot be read: the store has lost it, or is another one. */
  readonly onMissing: (missing: PackagesByNamespace) => void;
}

const putTimeoutMs = 60_000;
/** How often the store is asked which it is, ms: a new one lacks what was resolved before, for which a call waits some 25 s. */
const identifyEveryMs = 5000;

/**
 * Tells the package store again and again what is still needed: what functions serve and may return to, and every version of a
 * function or a layer; at once when it begins and when the store that answers is another one. Returns how to end it.
 */
export function startReferences(options: ReferencesOptions): () => void {
  const { store, clock, log, everyMs } = options;
  const ending = new AbortController();
  let cancel = (): void => undefined;
  let storeChanges = store.storeChanges;
  // At once: nobody has watched which store it is while nobody led.
  let putAtMs = -Infinity;

  async function look(): Promise<void> {
    try {
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(putTimeoutMs)]);
      await store.identify(signal);
      const isDue = clock.monotonicMs() - putAtMs >= everyMs || store.storeChanges !== storeChanges;
      if (!isDue || !isFresh(options)) return;
      // Before it is told: what changes meanwhile is seen next time.
      ({ storeChanges } = store);
      putAtMs = clock.monotonicMs();
      await put(options, signal);
    } catch (error) {
      if (!ending.signal.aborted) log.warn("Cannot tell the package store what is needed", { error });
    } finally {
      if (!ending.signal.aborted) cancel = clock.schedule(Math.min(everyMs, identifyEveryMs), () => void look());
    }
  }

  cancel = clock.schedule(0, () => void look());
  return () => {
    ending.abort(new Error("The operator is stopping"));
    cancel();
  };
}

/** A stale view would let the store collect what is new. */
function isFresh({ caches, clock, mayAct }: ReferencesOptions): boolean {
  const read = [caches.functions, caches.recipes, caches.layerVersions, caches.snapshots];
  return mayAct() && read.every((cache) => !cache.isStale(clock.nowMs()));
}

async function put({ store, caches, log, onMissing }: ReferencesOptions, signal: AbortSignal): Promise<void> {
  const missing = await store.putReferences(collectReferences(caches), signal);
  const namespaces = Object.keys(missing);
  if (namespaces.length === 0) return;
  log.warn("The package store lacks what is needed: its sources are read again", {
    namespaces: namespaces.slice(0, 20),
  });
  onMissing(missing);
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
