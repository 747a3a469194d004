/** Checks an object as the API server would, worded as it words it: `spec.memorySize: Invalid value: 64: …`. */
import type { z } from "zod";
import { unknownFields } from "./unknown-fields.ts";
import type { CustomObject, ObjectMeta } from "./v1alpha1/object-meta.ts";

export type ParseResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

interface Kind<Spec extends z.ZodType> {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: Spec;
}

/** The object with defaults filled in, or all that is wrong with it, joined by "; ". The status is taken as it is. */
export function parseObject<Spec extends z.ZodType, Status>(
  { kind, apiVersion, spec }: Kind<Spec>,
  object: unknown,
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
  const issues = parsed.success ? [] : parsed.error.issues.map((issue) => describe(issue, given.spec));
  const errors = [...unknown.map((path) => `unknown field "${path}"`), ...issues];
  if (!parsed.success || errors.length > 0) return { ok: false, error: errors.join("; ") };
  const { metadata, status } = given;
  return {
    ok: true,
    value: { apiVersion, kind, metadata, spec: parsed.data, ...(status !== undefined && { status }) },
  };
}

/** Spells a path as Kubernetes does: `spec.layers[0]`, `spec.environment.variables[A]`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}.${String(part)}`),
    "spec",
  );
}

function describe(issue: z.core.$ZodIssue, spec: unknown): string {
  const path = pathText(issue.path);
  const value = issue.path.reduce<unknown>(
    (at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part],
    spec,
  );
  const invalid = `${path}: Invalid value: ${typeof value === "object" ? `"${Array.isArray(value) ? "array" : "object"}"` : JSON.stringify(value)}`;
  switch (issue.code) {
    case "invalid_type":
      return value === undefined
        ? `${path}: Required value`
        : `${invalid}: ${path} in body must be of type ${issue.expected}: ${JSON.stringify(typeof value)}`;
    case "invalid_value":
      if (value === undefined) return `${path}: Required value`;
      return `${path}: Unsupported value: ${JSON.stringify(value)}: supported values: ${issue.values.map((each) => JSON.stringify(each)).join(", ")}`;
    case "too_small":
      return tooSmall(issue, path, invalid);
    case "too_big":
      return tooBig(issue, path, invalid);
    case "invalid_format":
      return `${invalid}: ${path} in body should match '${issue.pattern?.replace(/^\/|\/u?$/g, "") ?? issue.format}'`;
    default:
      return `${invalid}: ${issue.message}`;
  }
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

function tooBig(issue: z.core.$ZodIssueTooBig, path: string, invalid: string): string {
  switch (issue.origin) {
    case "string":
      return `${path}: Too long: may not be more than ${issue.maximum} bytes`;
    case "array":
      return `${path}: Too many: must have at most ${issue.maximum} items`;
    case "object":
      return `${path}: Too many: must have at most ${issue.maximum} items`;
    default:
      return `${invalid}: ${path} in body should be less than or equal to ${issue.maximum}`;
  }
}
