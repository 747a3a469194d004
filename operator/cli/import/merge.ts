/** The same thing in several outputs is one thing: what each says is put together. Pure. */
import type { CodeFound, Found } from "./found.ts";

export function merge(found: readonly Found[]): readonly Found[] {
  const merged = new Map<string, Found>();
  for (const each of found) {
    const key = keyOf(each);
    const earlier = merged.get(key);
    merged.set(key, earlier === undefined ? each : both(earlier, each));
  }
  return [...merged.values()];
}

function keyOf(found: Found): string {
  switch (found.type) {
    case "function":
      return JSON.stringify([found.type, found.name, found.version]);
    case "layer":
      return JSON.stringify([found.type, found.use.key]);
    case "alias":
    case "version":
      return JSON.stringify([found.type, found.functionName, found.name]);
    case "mapping":
      return JSON.stringify([found.type, found.id]);
    case "setting":
      return JSON.stringify([found.type, found.functionName, found.qualifier, found.member]);
    case "note":
    case "problem":
      return JSON.stringify([found.type, found.text]);
  }
}

function both(a: Found, b: Found): Found {
  if (a.type === "function" && b.type === "function") {
    const code = better(a.code, b.code);
    return { ...b, spec: { ...a.spec, ...b.spec }, code, notes: union(a.notes, b.notes) };
  }
  if (a.type === "layer" && b.type === "layer") {
    const content = better(a.content, b.content);
    return { ...b, spec: { ...a.spec, ...b.spec }, content, notes: union(a.notes, b.notes) };
  }
  return b;
}

/** What can be written over what cannot, and what can be fetched now over what cannot. */
function better(a: CodeFound, b: CodeFound): CodeFound {
  const rank = (code: CodeFound): number => {
    if (code.type === "missing") return 0;
    return code.type === "zip" && code.location === undefined ? 1 : 2;
  };
  return rank(a) > rank(b) ? a : b;
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}
