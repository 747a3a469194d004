import { isDeepEqual, isRecord } from "./deep-equal.ts";

/**
 * The smallest JSON merge patch (RFC 7396) that makes `before` into `after`; undefined when they are equal as JSON.
 * Members that are gone become null; lists are replaced whole.
 */
export function createMergePatch(before: unknown, after: unknown): unknown {
  if (isDeepEqual(before, after)) return undefined;
  if (!isRecord(before) || !isRecord(after)) return after;
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, wanted] = [before[name], after[name]];
    if (wanted === undefined) {
      if (old !== undefined) patch[name] = null;
      continue;
    }
    const part = createMergePatch(old, wanted);
    if (part !== undefined) patch[name] = part;
  }
  return patch;
}
