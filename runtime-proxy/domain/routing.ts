/** Which function a call means: from path segment, qualifier, host and configuration to namespace, name and qualifier. */
import {
  functionArn,
  LATEST,
  NAMESPACED_FUNCTION_NAME_PATTERN,
  parseFunctionName,
  QUALIFIER_PATTERN,
  type FunctionReference,
} from "../../crds/names.ts";

/** The function that a caller named, before anything is looked up. */
export interface CallTarget {
  readonly name: string;
  readonly region?: string;
  readonly accountId?: string;
  /** As the caller gave it; absent when there was none. */
  readonly qualifier?: string;
}

export type TargetCheck =
  | { readonly ok: true; readonly target: CallTarget }
  | {
      readonly ok: false;
      readonly code: "ValidationException" | "InvalidParameterValueException";
      readonly message: string;
    };

/** Longest FunctionName of Invoke, in characters. Source: Lambda API model, NamespacedFunctionName. */
const longestFunctionName = 256;
const longestQualifier = 128;
const qualifierPattern = /^(?:\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9\-_$]+)$/;

/** Checks path segment and `Qualifier` as Lambda does: patterns first, all broken ones in one message, then whether both agree. */
export function parseTarget(encodedName: string, qualifier: string | undefined): TargetCheck {
  const name = decodeSegment(encodedName);
  const reference = parseFunctionName(name);
  const broken = [
    ...(reference === undefined ? [brokenName(name)] : []),
    ...(qualifier === undefined ? [] : brokenQualifier(qualifier)),
  ];
  if (reference === undefined || broken.length > 0) {
    return { ok: false, code: "ValidationException", message: validationMessage(broken) };
  }
  return joinQualifiers(reference, qualifier);
}

function joinQualifiers(reference: FunctionReference, qualifier: string | undefined): TargetCheck {
  if (reference.qualifier === undefined || qualifier === undefined || reference.qualifier === qualifier) {
    return { ok: true, target: { ...reference, ...(qualifier !== undefined && { qualifier }) } };
  }
  const message = "The derived qualifier from the function name does not match the specified qualifier.";
  return { ok: false, code: "InvalidParameterValueException", message };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a broken escape holds "%", which no name may hold: the pattern refuses it
  }
}

function brokenName(name: string): string {
  if (name.length > longestFunctionName) return tooLong(name, "functionName", longestFunctionName);
  return brokenPattern(name, "functionName", NAMESPACED_FUNCTION_NAME_PATTERN);
}

function brokenQualifier(qualifier: string): readonly string[] {
  return [
    ...(qualifierPattern.test(qualifier) ? [] : [brokenPattern(qualifier, "qualifier", QUALIFIER_PATTERN)]),
    ...(qualifier.length > longestQualifier ? [tooLong(qualifier, "qualifier", longestQualifier)] : []),
  ];
}

function tooLong(value: string, member: string, limit: number): string {
  return constraint(value, member, `Member must have length less than or equal to ${limit}`);
}

function brokenPattern(value: string, member: string, pattern: string): string {
  return constraint(value, member, `Member must satisfy regular expression pattern: ${pattern}`);
}

/** One broken constraint in the words of Lambda's ValidationException. */
export function constraint(value: string, member: string, rule: string): string {
  return `Value '${value}' at '${member}' failed to satisfy constraint: ${rule}`;
}

/** `1 validation error detected: …`, as Lambda joins them. */
export function validationMessage(broken: readonly string[]): string {
  const count = broken.length === 1 ? "1 validation error" : `${broken.length} validation errors`;
  return `${count} detected: ${broken.join("; ")}`;
}

/** The ARN that a "not found" names: with the caller's qualifier, else `$LATEST`. */
export function targetArn(target: CallTarget, region: string, accountId: string): string {
  const { name, qualifier = LATEST } = target;
  return functionArn({ region, accountId, name, qualifier });
}

export interface NamespaceRules {
  readonly defaultNamespace: string;
  /** Hosts `<namespace>.<domain>` name a namespace; absent: no host does. */
  readonly domain?: string | undefined;
}

/** The namespace of a call that names no account: the host's, when it is `<namespace>.<domain>[:port]`, else the default. */
export function namespaceOfHost(host: string | undefined, { defaultNamespace, domain }: NamespaceRules): string {
  if (domain === undefined || domain === "" || host === undefined) return defaultNamespace;
  const bare = host.replace(/:\d+$/, "").toLowerCase();
  if (!bare.endsWith(`.${domain.toLowerCase()}`)) return defaultNamespace;
  const namespace = bare.slice(0, -domain.length - 1);
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace) ? namespace : defaultNamespace;
}
