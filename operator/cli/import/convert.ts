/** A value as AWS has it → as our schema has it: the same names but for their case. What has no counterpart is named. Pure. */
import type { z } from "zod";
import { nodeOf } from "../../../crds/schema-members.ts";
import type { Draft } from "./found.ts";

export interface Converted {
  readonly value: unknown;
  /** Paths, in AWS' spelling, of members that our schema does not have. */
  readonly left: readonly string[];
}

/**
 * Keys of maps (variables, tags, weights) stay as they are. Empty texts, lists and objects are how AWS spells
 * "not set": they go.
 */
export function convert(schema: z.core.$ZodType, value: unknown, path = ""): Converted {
  const node = nodeOf(schema);
  if (node.type === "list" && Array.isArray(value)) {
    const items = value.map((item: unknown) => convert(node.values, item, `${path}[]`));
    const left = [...new Set(items.flatMap((item) => item.left))];
    return { value: items.map((item) => item.value ?? {}), left };
  }
  if (node.type === "value") return { value: ofType(node.of, value), left: [] };
  if (node.type === "map" && typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, each]) => [key, convert(node.values, each, path).value] as const);
    return { value: Object.fromEntries(entries), left: [] };
  }
  if (node.type !== "object" || typeof value !== "object" || value === null || Array.isArray(value)) {
    return { value: value ?? undefined, left: [] };
  }
  return convertMembers(node.members, value as Draft, path);
}

/** As CloudFormation has it: a number may stand where a text is wanted, and the other way round. */
function ofType(type: "string" | "number" | "boolean" | "other", value: unknown): unknown {
  if (value === null) return undefined;
  if (type === "string" && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (type === "number" && typeof value === "string" && /^-?[0-9]+([.][0-9]+)?$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

function convertMembers(members: Readonly<Record<string, z.core.$ZodType>>, value: Draft, path: string): Converted {
  const names = new Map(Object.keys(members).map((name) => [name.toLowerCase(), name]));
  const converted: Record<string, unknown> = {};
  const left: string[] = [];
  for (const [theirs, given] of Object.entries(value)) {
    const name = names.get(theirs.toLowerCase());
    const member = name === undefined ? undefined : members[name];
    const at = path === "" ? theirs : `${path}.${theirs}`;
    if (name === undefined || member === undefined) {
      if (!isUnset(given) && given !== false) left.push(at);
      continue;
    }
    const inner = convert(member, given, at);
    left.push(...inner.left);
    if (!isUnset(inner.value)) converted[name] = inner.value;
  }
  return { value: converted, left };
}

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}
