/** Manifests of the ACK lambda-controller → what was found: also of its kinds that are members of other kinds here. Pure. */
import { parseFunctionName } from "../../../crds/names.ts";
import { layerNamed } from "./arns.ts";
import type {
  AliasFound,
  Draft,
  Found,
  FunctionFound,
  LayerUse,
  MappingFound,
  SettingFound,
  VersionFound,
} from "./found.ts";
import { isObject, objectOf } from "./object-of.ts";
import { own } from "./own.ts";

const ackGroup = "lambda.services.k8s.aws/";

export interface AckManifest {
  readonly kind: string;
  readonly name: string;
  readonly spec: Draft;
}

type Reader = (manifest: AckManifest, functions: ReadonlyMap<string, string>) => Found;

const readers: Readonly<Record<string, Reader>> = {
  Function: readFunction,
  Version: readVersion,
  Alias: readAlias,
  EventSourceMapping: readMapping,
  LayerVersion: readLayerVersion,
  FunctionURLConfig: readFunctionUrl,
};

export function isAckManifest(document: unknown): document is Draft {
  return (
    isObject(document) && typeof document["apiVersion"] === "string" && document["apiVersion"].startsWith(ackGroup)
  );
}

/** All manifests together: what names a function by its object may stand before it. */
export function readAckManifests(documents: readonly Draft[]): readonly Found[] {
  const manifests = documents.map((document): AckManifest => {
    const { kind, metadata, spec } = document;
    return { kind: textOf(kind), name: textOf(objectOf(metadata)["name"]), spec: objectOf(spec) };
  });
  const functions = new Map(
    manifests.filter(({ kind }) => kind === "Function").map((each) => [each.name, functionNameOf(each)] as const),
  );
  return manifests.map((manifest) => {
    const reader = own(readers, manifest.kind);
    if (reader !== undefined) return reader(manifest, functions);
    return { type: "note", text: `${originOf(manifest)} has no counterpart here: it is left out` };
  });
}

function functionNameOf({ name, spec }: AckManifest): string {
  return textOf(spec["name"]) === "" ? name : textOf(spec["name"]);
}

function readFunction(manifest: AckManifest): FunctionFound {
  const { name: _name, code, layers, ...spec } = manifest.spec;
  return {
    type: "function",
    name: functionNameOf(manifest),
    version: "$LATEST",
    origin: originOf(manifest),
    spec,
    code: { type: "spec", code: objectOf(code) },
    layers: Array.isArray(layers) ? layers.map(layerUse) : [],
    notes: [],
  };
}

function layerUse(layer: unknown): LayerUse {
  const name = textOf(layer);
  return layerNamed(name) ?? { key: `ack:${name}`, name };
}

function readVersion(manifest: AckManifest, functions: ReadonlyMap<string, string>): VersionFound {
  const { functionName, spec } = ofFunction(manifest, functions);
  return { type: "version", functionName, name: manifest.name, origin: originOf(manifest), spec, notes: [] };
}

function readAlias(manifest: AckManifest, functions: ReadonlyMap<string, string>): AliasFound {
  const { functionName, spec } = ofFunction(manifest, functions);
  const name = textOf(spec["name"]) === "" ? manifest.name : textOf(spec["name"]);
  return { type: "alias", functionName, name, origin: originOf(manifest), spec, notes: [] };
}

function readMapping(manifest: AckManifest, functions: ReadonlyMap<string, string>): MappingFound {
  const { functionName, qualifier, spec } = ofFunction(manifest, functions);
  const named = qualifier === undefined ? functionName : `${functionName}:${qualifier}`;
  return { type: "mapping", functionName: named, id: manifest.name, origin: originOf(manifest), spec, notes: [] };
}

function readLayerVersion(manifest: AckManifest): Found {
  const { layerName, content, ...spec } = manifest.spec;
  const name = textOf(layerName) === "" ? manifest.name : textOf(layerName);
  return {
    type: "layer",
    use: { key: `ack:${name}`, name },
    origin: originOf(manifest),
    spec,
    content: { type: "spec", code: objectOf(content) },
    notes: [],
  };
}

/** Of a function, or of the alias that its qualifier names. */
function readFunctionUrl(manifest: AckManifest, functions: ReadonlyMap<string, string>): SettingFound {
  const { functionName, spec } = ofFunction(manifest, functions);
  const { qualifier, ...value } = spec;
  const isAlias = typeof qualifier === "string" && qualifier !== "" && qualifier !== "$LATEST";
  return {
    ...{ type: "setting", functionName, member: "functionURLConfig", value },
    ...(isAlias && { qualifier }),
    notes: ["spec.functionURLConfig: the URL is another one than AWS'"],
  };
}

/** Its function by name, also where it is named by its object or ARN, and the rest of its spec. */
function ofFunction(
  { spec: whole }: AckManifest,
  functions: ReadonlyMap<string, string>,
): { readonly functionName: string; readonly qualifier: string | undefined; readonly spec: Draft } {
  const { functionName, functionRef, ...spec } = whole;
  const object = textOf(objectOf(objectOf(functionRef)["from"])["name"]);
  const given = object === "" ? textOf(functionName) : (functions.get(object) ?? object);
  const named = parseFunctionName(given);
  return { functionName: named?.name ?? given, qualifier: named?.qualifier, spec };
}

function originOf({ kind, name }: AckManifest): string {
  return `${kind} "${name}" of ACK`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
