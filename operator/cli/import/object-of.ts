import type { Draft } from "./found.ts";

export function isObject(value: unknown): value is Draft {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value if it is an object, else an empty one. */
export function objectOf(value: unknown): Draft {
  return isObject(value) ? value : {};
}

/** The objects of a list, if it is one. */
export function objectsOf(value: unknown): readonly Draft[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
