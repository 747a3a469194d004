/** JSON merge patch, and what server-side apply does to an object, for the in-memory object store. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type JsonMap = { readonly [name: string]: Json };

/** RFC 7396: null removes, maps merge, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isMap(patch)) return patch;
  const result: Record<string, Json> = isMap(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, name);
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}

/** The names of the key fields of lists that merge by key instead of being replaced. */
const listKeys: Readonly<Record<string, string>> = { ownerReferences: "uid", conditions: "type" };
const sets = new Set(["finalizers"]);

/**
 * The object after one manager applied `applied` having applied `before` last time: fields that it no longer names go,
 * fields of others stay. Lists are replaced whole, but for owner references, conditions (by key) and finalizers (a set).
 */
export function applyFields(current: Json | undefined, before: Json | undefined, applied: Json, name = ""): Json {
  if (isMap(applied)) return applyMap(isMap(current) ? current : {}, isMap(before) ? before : {}, applied);
  if (!Array.isArray(applied)) return applied;
  const key = listKeys[name];
  if (key !== undefined) return applyKeyed(asList(current), asList(before), applied as readonly Json[], key);
  if (sets.has(name)) {
    const dropped = new Set(asList(before).filter((item) => !applied.includes(item)));
    return [...new Set([...asList(current).filter((item) => !dropped.has(item)), ...(applied as Json[])])];
  }
  return applied as readonly Json[];
}

function applyMap(current: JsonMap, before: JsonMap, applied: JsonMap): Json {
  const result: Record<string, Json> = { ...current };
  for (const [name, value] of Object.entries(before)) {
    if (name in applied || !(name in result)) continue;
    const rest = without(result[name], value);
    if (rest === undefined) Reflect.deleteProperty(result, name);
    else result[name] = rest;
  }
  for (const [name, value] of Object.entries(applied))
    result[name] = applyFields(result[name], before[name], value, name);
  return result;
}

function applyKeyed(current: readonly Json[], before: readonly Json[], applied: readonly Json[], key: string): Json {
  const keyOf = (item: Json): Json | undefined => (isMap(item) ? item[key] : undefined);
  const appliedKeys = new Set(applied.map(keyOf));
  const dropped = new Set(before.map(keyOf).filter((value) => !appliedKeys.has(value)));
  const kept = current.filter((item) => !dropped.has(keyOf(item)) && !appliedKeys.has(keyOf(item)));
  const merged = applied.map((item) =>
    applyFields(
      current.find((other) => keyOf(other) === keyOf(item)),
      before.find((other) => keyOf(other) === keyOf(item)),
      item,
    ),
  );
  return [...kept, ...merged];
}

/** The path of a leaf that both have with different values; undefined when they agree. */
export function conflictOf(one: Json, other: Json, path = ""): string | undefined {
  if (!isMap(one) || !isMap(other)) return isDeepEqual(one, other) ? undefined : path;
  for (const [name, value] of Object.entries(other)) {
    const mine = one[name];
    const found = mine === undefined ? undefined : conflictOf(mine, value, `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isDeepEqual(one: Json, other: Json): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What is left of a value when the leaves of `gone` are taken out; undefined when nothing is. */
function without(value: Json | undefined, gone: Json): Json | undefined {
  if (!isMap(value) || !isMap(gone)) return undefined;
  const rest: Record<string, Json> = {};
  for (const [name, item] of Object.entries(value)) {
    const goneItem = gone[name];
    const kept = goneItem === undefined ? item : without(item, goneItem);
    if (kept !== undefined) rest[name] = kept;
  }
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asList(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
