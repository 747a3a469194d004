/** A SAM or CloudFormation template → what was found of Lambda's in it. Pure. */
import type { Draft, Found } from "./found.ts";
import { isObject, objectOf } from "./object-of.ts";
import { own } from "./own.ts";
import type { Resource } from "./template-resource.ts";
import { readResource, resourceNames } from "./template-resources.ts";
import { holds, resolve, type TemplateScope } from "./template-values.ts";
import { wordOf } from "./word-of.ts";

export interface TemplateContext {
  /** Of the template: relative paths start there. */
  readonly directory: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export function isTemplate(document: unknown): document is Draft {
  return typeof document === "object" && document !== null && isObject((document as Draft)["Resources"]);
}

export function readTemplate(template: Draft, context: TemplateContext): readonly Found[] {
  const scope = scopeOf(template, context);
  const given = Object.entries(objectOf(template["Resources"]))
    .map(([id, resource]) => [id, objectOf(resource)] as const)
    .filter(([, { Condition: condition }]) => typeof condition !== "string" || holds(condition, scope));
  const names = resourceNames(given.map(([id, resource]) => resourceOf(id, resource, template, scope)));
  const whole = { ...scope, references: names };
  const resources = given.map(([id, resource]) => resourceOf(id, resource, template, whole));
  const found = resources.flatMap((resource) => readResource(resource, { ...context, resources }));
  if (found.length > 0) return found;
  return [{ type: "problem", text: "the template has no resource of AWS::Serverless or AWS::Lambda" }];
}

function scopeOf(template: Draft, { parameters }: TemplateContext): TemplateScope {
  const declared = Object.entries(objectOf(template["Parameters"]));
  const defaults = declared.map(([name, parameter]) => [name, objectOf(parameter)["Default"]] as const);
  return {
    parameters,
    defaults: Object.fromEntries(defaults.filter(([, value]) => value !== undefined)),
    mappings: objectOf(template["Mappings"]),
    conditions: objectOf(template["Conditions"]),
    references: new Map(),
  };
}

function resourceOf(id: string, resource: Draft, template: Draft, scope: TemplateScope): Resource {
  const type = wordOf(resource["Type"]);
  const short = /^AWS::Serverless::(.+)$/.exec(type)?.[1] ?? "";
  const globals = objectOf(own(objectOf(template["Globals"]), short));
  const properties = resolve(overlay(globals, objectOf(resource["Properties"])), scope);
  return { id, type, properties: objectOf(properties), metadata: objectOf(resource["Metadata"]) };
}

/** As SAM lays a resource over Globals: maps are merged, lists appended, other values replaced. */
function overlay(globals: Draft, own: Draft): Draft {
  const merged: Record<string, unknown> = { ...globals };
  for (const [name, value] of Object.entries(own)) {
    const below = merged[name];
    if (Array.isArray(below) && Array.isArray(value)) merged[name] = [...(below as unknown[]), ...(value as unknown[])];
    else if (isPlainMap(below) && isPlainMap(value)) merged[name] = overlay(below, value);
    else merged[name] = value;
  }
  return merged;
}

/** A function of CloudFormation's is a value, and no map. */
function isPlainMap(value: unknown): value is Draft {
  return isObject(value) && !Object.keys(value).some((name) => name === "Ref" || name.startsWith("Fn::"));
}
