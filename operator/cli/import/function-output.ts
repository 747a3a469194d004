/** A function's configuration as the AWS CLI prints it → what was found. Pure. */
import { z } from "zod";
import { functionSpecSchema } from "../../../crds/v1alpha1/function.ts";
import { functionNamed, hexOfBase64, layerNamed, regionFlag } from "./arns.ts";
import { convert } from "./convert.ts";
import type { CodeFound, Draft, FunctionFound, LayerUse } from "./found.ts";
import { notesOf } from "./leftovers.ts";

const optionalText = z.string().nullish();

/** What is looked at; everything else is taken by its name. Source: Lambda API reference, FunctionConfiguration. */
export const functionConfigurationSchema = z.looseObject({
  FunctionName: z.string(),
  FunctionArn: optionalText,
  Version: optionalText,
  CodeSha256: optionalText,
  PackageType: optionalText,
  Layers: z.array(z.looseObject({ Arn: z.string() })).nullish(),
  ImageConfigResponse: z.looseObject({ ImageConfig: z.unknown().optional(), Error: z.unknown().optional() }).nullish(),
});
export type FunctionConfiguration = z.output<typeof functionConfigurationSchema>;

/** GetFunction's answer around it. */
export const functionCodeSchema = z.looseObject({
  Location: optionalText,
  ImageUri: optionalText,
  ResolvedImageUri: optionalText,
});

export interface FunctionOutput {
  readonly configuration: FunctionConfiguration;
  readonly code?: z.output<typeof functionCodeSchema> | null | undefined;
  readonly tags?: unknown;
}

export function functionFound({
  configuration,
  code,
  tags,
}: FunctionOutput): FunctionFound | { readonly error: string } {
  const { FunctionName, FunctionArn, Version, Layers, ImageConfigResponse, ...others } = configuration;
  const named = functionNamed(FunctionArn ?? FunctionName) ?? functionNamed(FunctionName);
  if (named === undefined) return { error: `FunctionName "${FunctionName}" is no function's name` };
  const layers = layersOf(Layers ?? []);
  if ("error" in layers) return layers;
  const image = { ...(ImageConfigResponse?.ImageConfig as Draft), Error: ImageConfigResponse?.Error };
  const { value, left } = convert(functionSpecSchema, { ...others, ImageConfig: image, Tags: tags });
  const version = Version ?? "$LATEST";
  return {
    type: "function",
    name: named.name,
    version,
    origin: FunctionArn ?? FunctionName,
    spec: withoutDefaults(value as Draft, named.name),
    code: codeOf({ configuration, code }, named.name, named.region),
    layers: layers.uses,
    notes: notesOf(left),
  };
}

function layersOf(
  layers: readonly { readonly Arn: string }[],
): { readonly uses: readonly LayerUse[] } | { readonly error: string } {
  const uses = layers.map(({ Arn }) => layerNamed(Arn));
  const unnamed = uses.indexOf(undefined);
  if (unnamed >= 0)
    return { error: `Layers[${unnamed}].Arn "${layers[unnamed]?.Arn ?? ""}" is no layer version's ARN` };
  return { uses: uses.filter((use) => use !== undefined) };
}

function codeOf({ configuration, code }: FunctionOutput, name: string, region: string | undefined): CodeFound {
  const { PackageType, CodeSha256, Version } = configuration;
  const qualifier = Version === undefined || Version === null || Version === "$LATEST" ? "" : ` --qualifier ${Version}`;
  const get = `aws lambda get-function --function-name ${name}${qualifier}${regionFlag(region)}`;
  if (PackageType === "Image") {
    const imageURI = code?.ResolvedImageUri ?? code?.ImageUri;
    if (imageURI !== undefined && imageURI !== null) return { type: "spec", code: { imageURI } };
    return { type: "missing", reason: `only get-function names the image: ${get}` };
  }
  const sha256 = hexOfBase64(CodeSha256 ?? "");
  if (!/^[0-9a-f]{64}$/.test(sha256)) return { type: "missing", reason: "CodeSha256 is no SHA-256 in base64" };
  const { Location: location } = code ?? {};
  const command = `${get} --query Code.Location --output text`;
  return { type: "zip", sha256, command, ...(typeof location === "string" && { location }) };
}

const defaults: readonly Draft[] = [
  { packageType: "Zip" },
  { ephemeralStorage: { size: 512 } },
  { architectures: ["x86_64"] },
  { tracingConfig: { mode: "PassThrough" } },
  { snapStart: { applyOn: "None" } },
  { loggingConfig: { logFormat: "Text" } },
];

/** AWS prints what nobody set; a manifest says what its author wants. */
export function withoutDefaults(spec: Draft, name: string): Draft {
  const said = new Set(
    [...defaults, { loggingConfig: { logFormat: "Text", logGroup: `/aws/lambda/${name}` } }].map(text),
  );
  return Object.fromEntries(Object.entries(spec).filter(([member, value]) => !said.has(text({ [member]: value }))));
}

function text(value: Draft): string {
  return JSON.stringify(value);
}
