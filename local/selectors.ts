/** Label and field selectors in the API's syntax, for the in-memory object store. */
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

export type Predicate = (object: KubernetesObject) => boolean;

/** One predicate of both selectors; throws on a selector that cannot be read. */
export function selectorPredicate(labelSelector: string | undefined, fieldSelector: string | undefined): Predicate {
  const parts = [...splitTerms(labelSelector ?? "").map(labelTerm), ...splitTerms(fieldSelector ?? "").map(fieldTerm)];
  return (object) => parts.every((matches) => matches(object));
}

/** Splits at the commas that are not inside parentheses. */
function splitTerms(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== "");
}

function labelTerm(term: string): Predicate {
  const [, key, negation, values] =
    /^([^\s!=]+)\s+(not)?in\s+\((.*)\)$/.exec(term.replace("notin", "not in").replace("not in", "notin")) ?? [];
  if (key !== undefined && values !== undefined) {
    const set = new Set(values.split(",").map((value) => value.trim()));
    return (object) => {
      const value = object.metadata.labels?.[key];
      return negation === undefined ? value !== undefined && set.has(value) : value === undefined || !set.has(value);
    };
  }
  if (term.startsWith("!")) return (object) => object.metadata.labels?.[term.slice(1)] === undefined;
  const [, name, operator, wanted] = /^([^!=\s]+)\s*(?:(==?|!=)\s*(.*))?$/.exec(term) ?? [];
  if (name === undefined) throw new TypeError(`Cannot read label selector "${term}"`);
  if (operator === undefined) return (object) => object.metadata.labels?.[name] !== undefined;
  return (object) => (object.metadata.labels?.[name] === wanted) === (operator !== "!=");
}

function fieldTerm(term: string): Predicate {
  const [, path, operator, wanted] = /^([\w.]+)(==?|!=)(.*)$/.exec(term) ?? [];
  if (path === undefined) throw new TypeError(`Cannot read field selector "${term}"`);
  return (object) => (fieldOf(object, path.split(".")) === wanted) === (operator !== "!=");
}

/** A field that is absent counts as "", as the API server has it. */
function fieldOf(object: unknown, path: readonly string[]): unknown {
  const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], object);
  return value ?? "";
}
