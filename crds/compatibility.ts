/** What of a CustomResourceDefinition's change would break objects that are stored already: they must stay readable and writable. */
import type { OpenApi } from "./openapi.ts";

/** The part of a CustomResourceDefinition that is compared. */
export interface Definition {
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: Readonly<Record<string, unknown>>;
    readonly versions: readonly DefinitionVersion[];
  };
}

interface DefinitionVersion {
  readonly name: string;
  readonly served: boolean;
  readonly subresources?: Readonly<Record<string, unknown>>;
  readonly schema: { readonly openAPIV3Schema: OpenApi };
}

/** Lower bounds may fall and upper bounds may rise; neither may be new. */
const lowerBounds = ["minimum", "minLength", "minItems"] as const;
const upperBounds = ["maximum", "maxLength", "maxItems", "maxProperties"] as const;
const fixed = ["type", "format", "pattern", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"] as const;
const fixedNames = ["kind", "plural"] as const;

/** One sentence for each change that breaks stored objects, with the path of the field; empty: the change is safe. */
export function breakingChanges(before: Definition, after: Definition): string[] {
  const changedNames = fixedNames
    .filter((name) => before.spec.names[name] !== after.spec.names[name])
    .map((name) => changed(`names.${name}`, before.spec.names[name], after.spec.names[name]));
  const changedKeys = (["group", "scope"] as const)
    .filter((key) => before.spec[key] !== after.spec[key])
    .map((key) => changed(key, before.spec[key], after.spec[key]));
  const versions = before.spec.versions
    .filter(({ served }) => served)
    .flatMap((version) => versionChanges(version, after.spec.versions));
  return [...changedKeys, ...changedNames, ...versions];
}

function versionChanges(before: DefinitionVersion, versions: readonly DefinitionVersion[]): string[] {
  const after = versions.find(({ name, served }) => name === before.name && served);
  if (after === undefined) return [`${before.name}: no longer served`];
  const removed = Object.keys(before.subresources ?? {}).filter((name) => !(name in (after.subresources ?? {})));
  return [
    ...removed.map((name) => `${before.name}: subresource ${name} removed`),
    ...schemaChanges(before.schema.openAPIV3Schema, after.schema.openAPIV3Schema, before.name),
  ];
}

function schemaChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  return [
    ...fixed
      .filter((key) => isNarrowed(key, before[key], after[key]))
      .map((key) => changed(`${path}: ${key}`, before[key], after[key])),
    ...boundChanges(before, after, path),
    ...enumChanges(before, after, path),
    ...requiredChanges(before, after, path),
    ...ruleChanges(before, after, path),
    ...memberChanges(before, after, path),
  ];
}

/** A pattern, a format or a way to merge may go; what may be written then only grows. A type may not. */
function isNarrowed(key: (typeof fixed)[number], before: unknown, after: unknown): boolean {
  if (JSON.stringify(before) === JSON.stringify(after)) return false;
  return key === "pattern" || key === "format" ? after !== undefined : true;
}

function boundChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  const raised = lowerBounds.filter((key) => numberAt(after, key, -Infinity) > numberAt(before, key, -Infinity));
  const lowered = upperBounds.filter((key) => numberAt(after, key, Infinity) < numberAt(before, key, Infinity));
  return [...raised, ...lowered].map((key) => changed(`${path}: ${key}`, before[key], after[key]));
}

function numberAt(node: OpenApi, key: string, otherwise: number): number {
  return typeof node[key] === "number" ? node[key] : otherwise;
}

function enumChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  if (after.enum === undefined) return [];
  const allowed = after.enum;
  if (before.enum === undefined) return [`${path}: enum added`];
  return before.enum
    .filter((value) => !allowed.includes(value))
    .map((value) => `${path}: enum value ${JSON.stringify(value)} removed`);
}

/** A default is filled in when a stored object is read, so a required field with one breaks nothing. */
function requiredChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  return (after.required ?? [])
    .filter((name) => before.required?.includes(name) !== true && after.properties?.[name]?.default === undefined)
    .map((name) => `${path}.${name}: became required`);
}

/** A new rule must let stored objects be: it is about a field that they cannot have, refuses fewer keys than before, holds for changes only (`oldSelf`), or what is unchanged passes. */
function ruleChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  const known = new Set(rulesOf(before).map(({ rule }) => rule));
  const isAboutNew = (rule: string): boolean => {
    const field = /^!has\(self\.(\w+)\) \|\| /.exec(rule)?.[1];
    return field !== undefined && before.properties !== undefined && !Object.hasOwn(before.properties, field);
  };
  return rulesOf(after)
    .filter(({ rule }) => !known.has(rule) && !isAboutNew(rule) && !isRelaxed(rule, known))
    .filter(({ rule }) => !/\boldSelf\b/.test(rule))
    .map(({ message }) => `${path}: new rule does not spare stored objects, compare with oldSelf: "${message}"`);
}

const refusedKeys = /^!self\.exists\((\w+), \1 in \[([^\]]*)\]\)$/;

/** It refuses some of the keys that a former rule refused. */
function isRelaxed(rule: string, known: ReadonlySet<string>): boolean {
  const keysOf = (text: string): readonly string[] | undefined => refusedKeys.exec(text)?.[2]?.split(", ");
  const keys = keysOf(rule);
  return keys !== undefined && [...known].some((former) => keys.every((key) => keysOf(former)?.includes(key) === true));
}

function rulesOf(node: OpenApi): readonly { readonly rule: string; readonly message: string }[] {
  return (node["x-kubernetes-validations"] ?? []) as readonly { rule: string; message: string }[];
}

function memberChanges(before: OpenApi, after: OpenApi, path: string): string[] {
  if (after["x-kubernetes-preserve-unknown-fields"] === true) return [];
  if (before["x-kubernetes-preserve-unknown-fields"] === true) return [`${path}: unknown fields are no longer kept`];
  const properties = Object.entries(before.properties ?? {}).flatMap(([name, member]) =>
    memberChange(member, after.properties?.[name], `${path}.${name}`),
  );
  const items = before.items === undefined ? [] : memberChange(before.items, after.items, `${path}[]`);
  const values =
    before.additionalProperties === undefined
      ? []
      : memberChange(before.additionalProperties, after.additionalProperties, `${path}.*`);
  return [...properties, ...items, ...values];
}

function memberChange(before: OpenApi, after: OpenApi | undefined, path: string): string[] {
  return after === undefined ? [`${path}: removed`] : schemaChanges(before, after, path);
}

function changed(what: string, before: unknown, after: unknown): string {
  return `${what} changed from ${shown(before)} to ${shown(after)}`;
}

function shown(value: unknown): string {
  return value === undefined ? "none" : JSON.stringify(value);
}
