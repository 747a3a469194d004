/** Layers are numbered anew here, so the name of a Layer has to say which of AWS' versions it holds. Pure. */
import type { LayerUse } from "./found.ts";

/**
 * Key of a layer version → name of the Layer that stands for it. The newest one of a layer keeps its name; older ones,
 * and layers of another account with the same name, get a longer one.
 */
export function layerNames(uses: readonly LayerUse[]): ReadonlyMap<string, string> {
  const byKey = new Map(uses.map((use) => [use.key, use]));
  const newestFirst = [...byKey.values()].sort(
    (a, b) => (b.origin?.version ?? 0) - (a.origin?.version ?? 0) || (a.key < b.key ? -1 : 1),
  );
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const use of newestFirst) {
    const name = candidates(use).find((candidate) => !taken.has(candidate)) ?? use.name;
    taken.add(name);
    names.set(use.key, name);
  }
  return names;
}

function candidates({ name, origin }: LayerUse): readonly string[] {
  if (origin === undefined) return [name];
  const version = `${name}-v${origin.version}`;
  return [name, version, `${version}-${origin.accountId}`, `${version}-${origin.arn.replace(/[^A-Za-z0-9]/g, "-")}`];
}
