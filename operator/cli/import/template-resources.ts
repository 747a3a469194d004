/** One resource of a template → what was found. Sources: SAM specification; CloudFormation reference, AWS::Lambda. Pure. */
import { aliasSpecSchema } from "../../../crds/v1alpha1/alias.ts";
import { eventSourceMappingSpecSchema } from "../../../crds/v1alpha1/event-source-mapping.ts";
import { functionEventInvokeConfigSchema, functionURLConfigSchema } from "../../../crds/v1alpha1/invoke-config.ts";
import { layerSpecSchema } from "../../../crds/v1alpha1/layer.ts";
import { versionSpecSchema } from "../../../crds/v1alpha1/version.ts";
import { functionNamed } from "./arns.ts";
import { convert } from "./convert.ts";
import type { Draft, Found, SettingFound } from "./found.ts";
import { notesOf } from "./leftovers.ts";
import { objectName } from "./object-names.ts";
import { codeOfResource } from "./template-code.ts";
import { readTemplateFunction } from "./template-function.ts";
import { objectOf, objectsOf } from "./object-of.ts";
import { own } from "./own.ts";
import type { Resource, ResourceContext } from "./template-resource.ts";
import { knownPart, Unresolved } from "./template-values.ts";
import { wordOf } from "./word-of.ts";

type Reader = (resource: Resource, context: ResourceContext) => readonly Found[];

const readers: Readonly<Record<string, Reader>> = {
  "AWS::Serverless::Function": readTemplateFunction,
  "AWS::Lambda::Function": readTemplateFunction,
  "AWS::Serverless::LayerVersion": readLayer,
  "AWS::Lambda::LayerVersion": readLayer,
  "AWS::Lambda::Version": readVersion,
  "AWS::Lambda::Alias": readAlias,
  "AWS::Lambda::EventSourceMapping": readMapping,
  "AWS::Lambda::Url": readUrl,
  "AWS::Lambda::EventInvokeConfig": readEventInvoke,
};

/** Resources beside functions that say who may call them: RBAC's matter here. */
const permissions = new Set(["AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission"]);

export function readResource(resource: Resource, context: ResourceContext): readonly Found[] {
  const { type, id } = resource;
  const reader = own(readers, type);
  if (reader !== undefined) return reader(resource, context);
  if (permissions.has(type))
    return [{ type: "note", text: `${id} (${type}) has no counterpart: RBAC says who may invoke` }];
  if (!/^AWS::(Serverless|Lambda)::/.test(type)) return [];
  return [{ type: "note", text: `${id} (${type}) has no counterpart here: it is left out` }];
}

/** What `Ref` and `GetAtt` of Lambda's resources stand for here: names. */
export function resourceNames(resources: readonly Resource[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { id, type, properties } of resources) {
    if (/::Function$/.test(type) && own(readers, type) !== undefined) {
      const name = textOf(properties["FunctionName"]) ?? id;
      for (const key of [id, `${id}.Arn`, `${id}.FunctionArn`]) names.set(key, name);
    }
  }
  for (const { id, type, properties } of resources) {
    if (type !== "AWS::Lambda::Version") continue;
    const owner = ownerOf(properties["FunctionName"], names);
    if (owner !== undefined) names.set(`${id}.Version`, objectName(`${owner}-${id}`));
  }
  return names;
}

/** On the first pass a name of the template's own function is not resolved yet. */
function ownerOf(given: unknown, names: ReadonlyMap<string, string>): string | undefined {
  if (given instanceof Unresolved) return names.get(given.parameters[0] ?? "");
  return textOf(given);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readLayer(resource: Resource, context: ResourceContext): readonly Found[] {
  const { id, type, properties } = resource;
  const { LayerName, Content: _content, ContentUri: _uri, ...others } = properties;
  const known = knownPart(others);
  const { value, left } = convert(layerSpecSchema, known.value);
  const use = { key: `template:${id}`, name: textOf(LayerName) ?? id };
  const content = codeOfResource(resource, context.directory, "ContentUri");
  const notes = [...notesOf(left), ...known.unknown];
  return [{ type: "layer", use, origin: `${id} (${type})`, spec: value as Draft, content, notes }];
}

function readVersion({ id, type, properties }: Resource): readonly Found[] {
  return ofFunction({ id, type, properties }, (functionName, others, unknown) => {
    const { value, left } = convert(versionSpecSchema, others);
    const notes = [...notesOf(left), ...unknown];
    return [{ type: "version", functionName, name: id, origin: `${id} (${type})`, spec: value as Draft, notes }];
  });
}

function readAlias(resource: Resource): readonly Found[] {
  return ofFunction(resource, (functionName, { RoutingConfig, ...others }, unknown) => {
    const { id, type } = resource;
    const list = objectsOf(objectOf(RoutingConfig)["AdditionalVersionWeights"]);
    const weights = Object.fromEntries(
      list.map((each) => [wordOf(each["FunctionVersion"]), each["FunctionWeight"]]),
    ) as unknown;
    const { value, left } = convert(aliasSpecSchema, {
      ...others,
      RoutingConfig: { AdditionalVersionWeights: weights },
    });
    const spec = value as Draft;
    const name = textOf(spec["name"]) ?? id;
    const notes = [...notesOf(left), ...unknown];
    return [{ type: "alias", functionName, name, origin: `${id} (${type})`, spec, notes }];
  });
}

function readMapping(resource: Resource): readonly Found[] {
  return ofFunction(resource, (functionName, others, unknown) => {
    const { id, type } = resource;
    const { value, left } = convert(eventSourceMappingSpecSchema, others);
    const notes = [...notesOf(left), ...unknown];
    return [{ type: "mapping", functionName, id, origin: `${id} (${type})`, spec: value as Draft, notes }];
  });
}

function readUrl({ properties, ...resource }: Resource): readonly Found[] {
  const { TargetFunctionArn, ...others } = properties;
  const named = { ...resource, properties: { ...others, FunctionName: TargetFunctionArn } };
  return ofFunction(named, (functionName, { Qualifier, ...config }, unknown) => {
    const { value, left } = convert(functionURLConfigSchema, config);
    const notes = [...notesOf(left), ...unknown];
    return [{ type: "setting", ...owned(functionName, Qualifier), member: "functionURLConfig", value, notes }];
  });
}

function readEventInvoke(resource: Resource): readonly Found[] {
  return ofFunction(resource, (functionName, { Qualifier, ...config }, unknown) => {
    const { value, left } = convert(functionEventInvokeConfigSchema, config);
    const notes = [...notesOf(left), ...unknown];
    return [{ type: "setting", ...owned(functionName, Qualifier), member: "functionEventInvokeConfig", value, notes }];
  });
}

function owned(functionName: string, qualifier: unknown): Pick<SettingFound, "functionName" | "qualifier"> {
  const isOwn = typeof qualifier !== "string" || qualifier === "$LATEST";
  return { functionName, ...(!isOwn && { qualifier }) };
}

/** The function that the resource names, and its other properties as far as they are known. */
function ofFunction(
  { id, type, properties }: Pick<Resource, "id" | "type" | "properties">,
  read: (functionName: string, others: Draft, unknown: readonly string[]) => readonly Found[],
): readonly Found[] {
  const { FunctionName, ...others } = properties;
  const named = typeof FunctionName === "string" ? functionNamed(FunctionName) : undefined;
  if (named === undefined) {
    const known = knownPart({ FunctionName });
    return [{ type: "problem", text: `${id} (${type}): ${known.unknown[0] ?? "FunctionName is needed"}` }];
  }
  const name = named.qualifier === undefined ? named.name : `${named.name}:${named.qualifier}`;
  const known = knownPart(others);
  return read(type === "AWS::Lambda::EventSourceMapping" ? name : named.name, known.value as Draft, known.unknown);
}
