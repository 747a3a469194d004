/** Each output of the AWS CLI → what was found in it. Source: Lambda API reference. Pure. */
import { z } from "zod";
import { aliasSpecSchema } from "../../../crds/v1alpha1/alias.ts";
import { eventSourceMappingSpecSchema } from "../../../crds/v1alpha1/event-source-mapping.ts";
import { functionEventInvokeConfigSchema, functionURLConfigSchema } from "../../../crds/v1alpha1/invoke-config.ts";
import { layerSpecSchema } from "../../../crds/v1alpha1/layer.ts";
import { functionNamed, hexOfBase64, layerNamed, regionFlag, type FunctionNamed } from "./arns.ts";
import { convert } from "./convert.ts";
import type { CodeFound, Draft, Found, ProblemFound, SettingFound } from "./found.ts";
import { functionCodeSchema, functionConfigurationSchema, functionFound } from "./function-output.ts";
import { notesOf } from "./leftovers.ts";
import { problem, withSchema, type OutputOf } from "./with-schema.ts";

const optionalText = z.string().nullish();
const getFunctionSchema = z.looseObject({
  Configuration: functionConfigurationSchema,
  Code: functionCodeSchema.nullish(),
  Tags: z.record(z.string(), z.unknown()).nullish(),
  TagsError: z.looseObject({ ErrorCode: optionalText }).nullish(),
  Concurrency: z.looseObject({ ReservedConcurrentExecutions: z.unknown().optional() }).nullish(),
});
const aliasSchema = z.looseObject({ AliasArn: z.string(), Name: z.string() });
const layerVersionSchema = z.looseObject({
  LayerVersionArn: z.string(),
  Content: z.looseObject({ Location: optionalText, CodeSha256: optionalText }).nullish(),
});
const mappingSchema = z.looseObject({
  UUID: z.string(),
  FunctionArn: z.string(),
  State: optionalText,
  StartingPositionTimestamp: z.union([z.string(), z.number()]).nullish(),
});
const ofFunctionSchema = z.looseObject({ FunctionArn: z.string() });

export function readFunction(document: unknown): readonly Found[] {
  return withSchema(getFunctionSchema, ({ Configuration, Code, Tags, TagsError, Concurrency }) => {
    const found = functionFound({ configuration: Configuration, code: Code, tags: Tags });
    if ("error" in found) return [problem(`Configuration.${found.error}`)];
    const notes = TagsError?.ErrorCode == null ? [] : ["AWS did not show the tags: add them to spec.tags"];
    const limit = Concurrency?.ReservedConcurrentExecutions;
    const spec = { ...found.spec, ...(limit !== undefined && { reservedConcurrentExecutions: limit }) };
    return [{ ...found, spec, notes: [...found.notes, ...notes] }];
  })(document, undefined);
}

export function readConfiguration(document: unknown): readonly Found[] {
  return withSchema(functionConfigurationSchema, (configuration) => {
    const found = functionFound({ configuration });
    return ["error" in found ? problem(found.error) : found];
  })(document, undefined);
}

export function readAlias(document: unknown): readonly Found[] {
  return withSchema(aliasSchema, (alias) => {
    const named = functionNamed(alias.AliasArn);
    if (named === undefined) return [problem(`AliasArn "${alias.AliasArn}" is no alias' ARN`)];
    const { value, left } = convert(aliasSpecSchema, alias);
    const { name, AliasArn: origin } = { ...named, ...alias };
    return [
      { type: "alias", functionName: name, name: alias.Name, origin, spec: value as Draft, notes: notesOf(left) },
    ];
  })(document, undefined);
}

/** list-layers has the newest version of each inside. */
export function readListedLayer(document: unknown): readonly Found[] {
  return withSchema(z.looseObject({ LatestMatchingVersion: z.unknown() }), (layer) =>
    readLayerVersion(layer.LatestMatchingVersion),
  )(document, undefined);
}

export function readLayerVersion(document: unknown): readonly Found[] {
  return withSchema(layerVersionSchema, ({ LayerVersionArn: arn, Content, ...others }) => {
    const use = layerNamed(arn);
    if (use === undefined) return [problem(`LayerVersionArn "${arn}" is no layer version's ARN`)];
    const { value, left } = convert(layerSpecSchema, others);
    const content = contentOf(arn, Content ?? undefined);
    return [{ type: "layer", use, origin: arn, spec: value as Draft, content, notes: notesOf(left) }];
  })(document, undefined);
}

function contentOf(arn: string, content: z.output<typeof layerVersionSchema>["Content"]): CodeFound {
  const get = layerCommand(arn);
  if (content === undefined || content === null)
    return { type: "missing", reason: `only get-layer-version names its content: ${get}` };
  const sha256 = hexOfBase64(content.CodeSha256 ?? "");
  if (!/^[0-9a-f]{64}$/.test(sha256)) return { type: "missing", reason: "Content.CodeSha256 is no SHA-256 in base64" };
  const command = `${get} --query Content.Location --output text`;
  return { type: "zip", sha256, command, ...(typeof content.Location === "string" && { location: content.Location }) };
}

/** What prints a layer version with its content. */
export function layerCommand(arn: string): string {
  const [, , , region] = arn.split(":");
  return `aws lambda get-layer-version-by-arn --arn ${arn}${regionFlag(region)}`;
}

export function readMapping(document: unknown): readonly Found[] {
  return withSchema(mappingSchema, ({ UUID, FunctionArn, State, StartingPositionTimestamp, ...others }) => {
    const named = functionNamed(FunctionArn);
    if (named === undefined) return [problem(`FunctionArn "${FunctionArn}" is no function's ARN`)];
    const { value, left } = convert(eventSourceMappingSpecSchema, others);
    const spec = {
      ...(value as Draft),
      ...(StartingPositionTimestamp != null && { startingPositionTimestamp: dateTimeOf(StartingPositionTimestamp) }),
      ...((State === "Disabled" || State === "Disabling") && { enabled: false }),
    };
    const functionName = named.qualifier === undefined ? named.name : `${named.name}:${named.qualifier}`;
    return [
      { type: "mapping", functionName, id: UUID, origin: `event source mapping ${UUID}`, spec, notes: notesOf(left) },
    ];
  })(document, undefined);
}

/** The CLI prints ISO 8601, the API seconds. */
function dateTimeOf(given: string | number): string {
  if (typeof given === "string") return given;
  return new Date(given * 1000).toISOString();
}

export function readUrl(document: unknown): readonly Found[] {
  return ofFunction(document, (named, config) => {
    const { value, left } = convert(functionURLConfigSchema, config);
    const notes = ["spec.functionURLConfig: the URL is another one than AWS'", ...notesOf(left)];
    return [{ type: "setting", ...owner(named), member: "functionURLConfig", value, notes }];
  });
}

export function readEventInvoke(document: unknown): readonly Found[] {
  return ofFunction(document, (named, config) => {
    const { FunctionArn: _arn, ...others } = config;
    const { value, left } = convert(functionEventInvokeConfigSchema, others);
    return [{ type: "setting", ...owner(named), member: "functionEventInvokeConfig", value, notes: notesOf(left) }];
  });
}

export function readProvisioned(document: unknown, of: OutputOf): readonly Found[] {
  const config = document as Draft;
  if (config["FunctionArn"] === undefined && of === undefined) {
    return [
      unnamed("get-provisioned-concurrency-config", "NAME:ALIAS=FILE, or use list-provisioned-concurrency-configs"),
    ];
  }
  const value = { provisionedConcurrentExecutions: config["RequestedProvisionedConcurrentExecutions"] };
  const found = (named: FunctionNamed): readonly Found[] => [
    { type: "setting", ...owner(named), member: "provisionedConcurrencyConfig", value, notes: [] },
  ];
  return of === undefined ? ofFunction(document, found) : found(of);
}

export function readConcurrency(document: unknown, of: OutputOf): readonly Found[] {
  if (of === undefined) return [unnamed("get-function-concurrency", "NAME=FILE, or use get-function")];
  const { ReservedConcurrentExecutions: value } = document as Draft;
  return [{ type: "setting", functionName: of.name, member: "reservedConcurrentExecutions", value, notes: [] }];
}

export function readCodeSigning(document: unknown): readonly Found[] {
  return withSchema(z.looseObject({ CodeSigningConfigArn: z.string(), FunctionName: z.string() }), (config) => {
    const named = functionNamed(config.FunctionName);
    if (named === undefined) return [problem(`FunctionName "${config.FunctionName}" is no function's name`)];
    const value = config.CodeSigningConfigArn;
    return [{ type: "setting", functionName: named.name, member: "codeSigningConfigARN", value, notes: [] }];
  })(document, undefined);
}

export function readPolicy(): readonly Found[] {
  return [{ type: "note", text: "a policy has no counterpart here: RBAC says who may invoke (docs/moving-in.md)" }];
}

function ofFunction(
  document: unknown,
  read: (named: FunctionNamed, config: Draft) => readonly Found[],
): readonly Found[] {
  return withSchema(ofFunctionSchema, (config) => {
    const named = functionNamed(config.FunctionArn);
    if (named === undefined) return [problem(`FunctionArn "${config.FunctionArn}" is no function's ARN`)];
    return read(named, config);
  })(document, undefined);
}

function owner({ name, qualifier }: FunctionNamed): Pick<SettingFound, "functionName" | "qualifier"> {
  return { functionName: name, ...(qualifier !== undefined && { qualifier }) };
}

function unnamed(command: string, instead: string): ProblemFound {
  return problem(`the output of ${command} does not say which function it is of: give it as ${instead}`);
}
