/** Checks an object as the API server would, worded as it words it: `spec.memorySize: Invalid value: 64: …`. */
import type { z } from "zod";
import { brokenTransitions, type Rule } from "./rule.ts";
import { isInteger, memberOf, unknownFields } from "./schema-members.ts";
import type { CustomObject, ObjectMeta } from "./v1alpha1/object-meta.ts";

export type ParseResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

interface Kind<Spec extends z.ZodType> {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: Spec;
  /** Over the whole object. */
  readonly rules: readonly Rule<{ metadata: { name: string }; spec: z.output<Spec> }>[];
}

/**
 * The object with defaults filled in, or all that is wrong with it, joined by ", ". The status is taken as it is.
 * With `old`, the object as it was, also the rules about changes.
 */
export function parseObject<Spec extends z.ZodType, Status>(
  { kind, apiVersion, spec, rules }: Kind<Spec>,
  object: unknown,
  old?: { readonly spec: z.output<Spec> },
): ParseResult<CustomObject<z.output<Spec>, Status>> {
  const given = (object ?? {}) as {
    apiVersion?: unknown;
    kind?: unknown;
    metadata?: ObjectMeta;
    spec?: unknown;
    status?: Status;
  };
  if (given.kind !== kind || given.apiVersion !== apiVersion) {
    return { ok: false, error: `kind: Invalid value: ${JSON.stringify(given.kind)}: want ${kind} of ${apiVersion}` };
  }
  if (typeof given.metadata?.name !== "string") return { ok: false, error: "metadata.name: Required value" };
  if (given.spec === undefined || given.spec === null) return { ok: false, error: "spec: Required value" };
  const unknown = unknownFields(spec, given.spec, ["spec"]);
  const parsed = spec.safeParse(given.spec);
  const issues = parsed.success ? [] : parsed.error.issues.map((issue) => describe(issue, given.spec, spec));
  const errors = [...unknown.map((path) => `unknown field "${path}"`), ...issues];
  const { metadata, status } = given;
  if (parsed.success) {
    const seen = { metadata, spec: parsed.data };
    const broken = rules.filter(({ predicate }) => predicate?.(seen) === false).map(({ message }) => message);
    errors.push(...broken.map((message) => `<nil>: Invalid value: "object": ${message}`));
    const forbidden = old === undefined ? [] : brokenTransitions(spec, parsed.data, old.spec);
    errors.push(...forbidden.map((message) => `spec: Invalid value: "object": ${message}`));
  }
  if (!parsed.success || errors.length > 0) return { ok: false, error: errors.join(", ") };
  return {
    ok: true,
    value: { apiVersion, kind, metadata, spec: parsed.data, ...(status !== undefined && { status }) },
  };
}

/** Spells a path as Kubernetes does: `spec.layers[0]`; only rules put keys of maps in brackets: `spec.environment.valueFrom[A]`. */
function pathText({ path, code }: z.core.$ZodIssue, schema: z.core.$ZodType): string {
  let text = "spec";
  let at: z.core.$ZodType | undefined = schema;
  for (const part of path) {
    const { member, isKey } = memberOf(at, part);
    const inBrackets = typeof part === "number" || (isKey && code === "custom");
    text += inBrackets ? `[${String(part)}]` : `.${String(part)}`;
    at = member;
  }
  return text;
}

function describe(issue: z.core.$ZodIssue, spec: unknown, schema: z.core.$ZodType): string {
  const path = pathText(issue, schema);
  const value = issue.path.reduce<unknown>(
    (at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part],
    spec,
  );
  const invalid = `${path}: Invalid value: ${typeof value === "object" ? `"${Array.isArray(value) ? "array" : "object"}"` : JSON.stringify(value)}`;
  switch (issue.code) {
    case "invalid_type":
      if (value === undefined) return `${path}: Required value`;
      return wrongType(path, expectedType(issue, schema), typeOf(value));
    case "invalid_value":
      if (value === undefined) return `${path}: Required value`;
      return `${path}: Unsupported value: ${JSON.stringify(value)}: supported values: ${issue.values.map((each) => JSON.stringify(each)).join(", ")}`;
    case "too_small":
      return tooSmall(issue, path, Array.isArray(value) ? `${path}: Invalid value: ${value.length}` : invalid);
    case "too_big":
      return tooBig(issue, path, {
        invalid,
        count: Array.isArray(value) ? value.length : Object.keys(value ?? {}).length,
      });
    case "invalid_format":
      return issue.pattern === undefined
        ? `${invalid}: ${path} in body must be of type ${issue.format}: ${JSON.stringify(value)}`
        : `${invalid}: ${path} in body should match '${issue.pattern.replace(/^\/|\/u?$/g, "")}'`;
    case "custom":
      return issue.params?.["isDuplicate"] === true
        ? `${path}: Duplicate value: ${JSON.stringify(value)}`
        : `${invalid}: ${issue.message}`;
    default:
      return `${invalid}: ${issue.message}`;
  }
}

function wrongType(path: string, expected: string, given: string): string {
  return `${path}: Invalid value: "${given}": ${path} in body must be of type ${expected}: "${given}"`;
}

/** zod says "number" of an integer and "record" of a map. */
function expectedType(issue: z.core.$ZodIssueInvalidType, schema: z.core.$ZodType): string {
  const at = issue.path.reduce<z.core.$ZodType | undefined>((from, part) => memberOf(from, part).member, schema);
  if (issue.expected === "int" || (issue.expected === "number" && isInteger(at))) return "integer";
  return issue.expected === "record" ? "object" : issue.expected;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function tooSmall(issue: z.core.$ZodIssueTooSmall, path: string, invalid: string): string {
  switch (issue.origin) {
    case "string":
      return `${invalid}: ${path} in body should be at least ${issue.minimum} chars long`;
    case "array":
      return `${invalid}: ${path} in body should have at least ${issue.minimum} items`;
    default:
      return `${invalid}: ${path} in body should be greater than or equal to ${issue.minimum}`;
  }
}

function tooBig(
  issue: z.core.$ZodIssueTooBig,
  path: string,
  { invalid, count }: { readonly invalid: string; readonly count: number },
): string {
  switch (issue.origin) {
    case "string":
      return `${path}: Too long: may not be more than ${issue.maximum} bytes`;
    case "array":
    case "object":
      return `${path}: Too many: ${count}: must have at most ${issue.maximum} item${issue.maximum === 1 ? "" : "s"}`;
    default:
      return `${invalid}: ${path} in body should be less than or equal to ${issue.maximum}`;
  }
}
