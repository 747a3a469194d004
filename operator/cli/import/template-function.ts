/** A function of a template, with what SAM hangs on it: alias, URL, sources of events. Source: SAM specification. Pure. */
import {
  functionEventInvokeConfigSchema,
  functionURLConfigSchema,
  provisionedConcurrencyConfigSchema,
} from "../../../crds/v1alpha1/invoke-config.ts";
import { functionSpecSchema } from "../../../crds/v1alpha1/function.ts";
import { layerNamed } from "./arns.ts";
import { convert } from "./convert.ts";
import type { Draft, Found, LayerUse, SettingFound } from "./found.ts";
import { withoutDefaults } from "./function-output.ts";
import { notesOf } from "./leftovers.ts";
import { objectOf, objectsOf } from "./object-of.ts";
import { codeOfResource } from "./template-code.ts";
import { readEvents } from "./template-events.ts";
import type { Resource, ResourceContext } from "./template-resource.ts";
import { knownPart, Unresolved, unknownText } from "./template-values.ts";
import { wordOf } from "./word-of.ts";

/** Members that SAM has for what Lambda keeps apart; of an alias, if the function publishes one. */
const apart = {
  FunctionUrlConfig: { member: "functionURLConfig", schema: functionURLConfigSchema },
  EventInvokeConfig: { member: "functionEventInvokeConfig", schema: functionEventInvokeConfigSchema },
  ProvisionedConcurrencyConfig: { member: "provisionedConcurrencyConfig", schema: provisionedConcurrencyConfigSchema },
} as const;

export function readTemplateFunction(resource: Resource, context: ResourceContext): readonly Found[] {
  const { id, type, properties } = resource;
  const { FunctionName, Layers, Events, Role, ...rest } = properties;
  // It has no use here: one that is not known is nothing to look for.
  const others = Role instanceof Unresolved ? rest : { ...rest, Role };
  const name = typeof FunctionName === "string" ? FunctionName : id;
  const code = codeOfResource(resource, context.directory, "CodeUri");
  const known = knownPart(withoutCode(others));
  const members = known.value as Draft;
  const alias = typeof members["AutoPublishAlias"] === "string" ? members["AutoPublishAlias"] : undefined;
  const settings = settingsOf(members, name, alias);
  const hasOwnAlias = alias !== undefined && settings.length > 0;
  const { value, left } = convert(functionSpecSchema, inOurWords(members, hasOwnAlias));
  const layers = layersOf(Layers, context.resources);
  const origin = `${id} (${type})`;
  return [
    {
      type: "function",
      name,
      version: "$LATEST",
      origin,
      spec: withoutDefaults(value as Draft, name),
      code,
      layers: layers.uses,
      notes: [...notesOf(left), ...known.unknown, ...layers.notes],
    },
    ...(hasOwnAlias ? [{ type: "alias", functionName: name, name: alias, origin, spec: {}, notes: [] } as const] : []),
    ...settings,
    ...readEvents(Events, alias === undefined ? name : `${name}:${alias}`, id),
  ];
}

function withoutCode(properties: Draft): Draft {
  const { CodeUri: _uri, Code: _code, InlineCode: _inline, ImageUri: _image, ...others } = properties;
  return others;
}

/** SAM's own members under the names that the Lambda API has for them. */
function inOurWords(members: Draft, hasOwnAlias: boolean): Draft {
  const {
    FunctionUrlConfig: _url,
    EventInvokeConfig: _invoke,
    ProvisionedConcurrencyConfig: _kept,
    ...others
  } = members;
  const { Tracing, DeadLetterQueue, VersionDescription, Tags, AutoPublishAlias, ...same } = others;
  return {
    ...same,
    ...(Tracing !== undefined && { TracingConfig: { Mode: Tracing } }),
    ...(DeadLetterQueue !== undefined && { DeadLetterConfig: { TargetArn: objectOf(DeadLetterQueue)["TargetArn"] } }),
    ...(VersionDescription !== undefined && { Description: VersionDescription }),
    ...(Tags !== undefined && { Tags: tagsOf(Tags) }),
    ...(AutoPublishAlias !== undefined && (hasOwnAlias ? { Publish: true } : { AutoPublishAlias })),
  };
}

/** CloudFormation has a list of keys and values. */
function tagsOf(tags: unknown): unknown {
  if (!Array.isArray(tags)) return tags;
  return Object.fromEntries(objectsOf(tags).map(({ Key, Value }) => [wordOf(Key), Value]));
}

function settingsOf(members: Draft, functionName: string, qualifier: string | undefined): readonly SettingFound[] {
  return Object.entries(apart).flatMap(([theirs, { member, schema }]) => {
    const given = members[theirs];
    if (given === undefined) return [];
    const { value, left } = convert(schema, given);
    const notes = notesOf(left.filter((path) => !path.endsWith(".Type")));
    return [{ type: "setting", functionName, ...(qualifier !== undefined && { qualifier }), member, value, notes }];
  });
}

function layersOf(
  layers: unknown,
  resources: readonly Resource[],
): { readonly uses: readonly LayerUse[]; readonly notes: readonly string[] } {
  const all = (Array.isArray(layers) ? layers : []).map((layer: unknown) => layerOf(layer, resources));
  const isUse = (each: LayerUse | string): each is LayerUse => typeof each !== "string";
  return { uses: all.filter(isUse), notes: all.filter((each) => typeof each === "string") };
}

/** A layer of this template or the ARN of one, else a sentence. */
function layerOf(layer: unknown, resources: readonly Resource[]): LayerUse | string {
  if (typeof layer === "string") return layerNamed(layer) ?? `TODO spec.layers: "${layer}" is no layer version's ARN`;
  if (!(layer instanceof Unresolved)) return `TODO spec.layers: ${JSON.stringify(layer)} is no layer version's ARN`;
  const own = resources.find(({ id, type }) => id === layer.parameters[0] && type.endsWith("::LayerVersion"));
  if (own === undefined) return unknownText("spec.layers", layer);
  const { LayerName } = own.properties;
  return { key: `template:${own.id}`, name: typeof LayerName === "string" && LayerName !== "" ? LayerName : own.id };
}
