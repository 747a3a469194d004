/** Which versions of which layers a function runs with. Pure. */
import { accountIdOf, layerArn, parseLayerReference, type LayerReference } from "../../../crds/names.ts";
import type { Reason } from "../../../crds/v1alpha1/condition.ts";
import type { LayerVersion } from "../layer/layer-version.ts";

/** One layer of a recipe: what a function needs of it when it is gone. */
export interface LayerUse {
  /** Of the Layer. */
  readonly namespace: string;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  readonly zippedBytes: number;
  readonly unzippedBytes: number;
  /** Names of its files that run as extensions. */
  readonly extensions: readonly string[];
}

/** What is known of a function's layers. */
export type LayersSeen =
  /** In the order of the spec. `kept`: what to say of those that only this function has any more. */
  | { readonly type: "resolved"; readonly layers: readonly LayerUse[]; readonly kept: readonly string[] }
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string; readonly afterMs?: number }
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** A Layer that a reference may mean. */
export interface LayerOffer {
  readonly namespace: string;
  readonly name: string;
  readonly allowedNamespaces: readonly string[];
  /** Newest first. */
  readonly versions: readonly LayerVersion[];
  /** What its condition Ready says while that is not true. */
  readonly problem?: string | undefined;
  /** So long its newest version may still come back from a backup. */
  readonly awaitRestoreMs?: number | undefined;
}

export interface LayersInput {
  readonly references: readonly string[];
  /** Of the function. */
  readonly namespace: string;
  readonly region: string;
  /** The Layer that has a Lambda name in an account. */
  readonly findOffer: (accountId: string, name: string) => LayerOffer | undefined;
  /** Layers of the revision that serves calls. */
  readonly held: readonly LayerUse[];
}

type Resolved =
  | { readonly type: "use"; readonly layer: LayerUse; readonly kept?: string }
  | (LayersSeen & { readonly type: "waiting" | "refused" });

/** The first layer that cannot be had decides; what the function has already it keeps, whatever became of the Layer. */
export function decideLayers(input: LayersInput): LayersSeen {
  const layers: LayerUse[] = [];
  const kept: string[] = [];
  for (const text of input.references) {
    const resolved = decideLayer(text, input);
    if (resolved.type !== "use") return resolved;
    layers.push(resolved.layer);
    if (resolved.kept !== undefined) kept.push(resolved.kept);
  }
  const twice = layers.find((layer, i) => layers.findIndex((other) => isSameLayer(layer, other)) !== i);
  if (twice === undefined) return { type: "resolved", layers, kept };
  const message = `Two different versions of the same layer are not allowed to be referenced in the same function: layer "${twice.name}" is named twice`;
  return { type: "refused", reason: "LayerNamedTwice", message };
}

function decideLayer(text: string, { namespace, region, findOffer, held }: LayersInput): Resolved {
  const reference = parseLayerReference(text);
  if (reference === undefined) {
    return {
      type: "refused",
      reason: "LayerNotFound",
      message: `Cannot use layer "${text}": it is no name or ARN of a layer`,
    };
  }
  if (reference.region !== undefined && reference.region !== region) {
    const message = `Layers are not in the same region as the function. Layers are expected to be in region ${region}.`;
    return { type: "refused", reason: "LayerInOtherRegion", message: `Cannot use layer "${text}": ${message}` };
  }
  const accountId = reference.accountId ?? accountIdOf(namespace);
  const offer = findOffer(accountId, reference.name);
  const isGranted = offer !== undefined && mayUse(offer, namespace);
  const afterMs = reference.version === undefined && isGranted ? (offer.awaitRestoreMs ?? 0) : 0;
  if (afterMs > 0) {
    const message = `Cannot use layer "${text}": its newest version has not come back from a backup yet; waiting for it`;
    return { type: "waiting", reason: "RestoreAwaited", message, afterMs };
  }
  const version = isGranted ? versionOf(offer, reference) : undefined;
  if (offer !== undefined && version !== undefined) return { type: "use", layer: toUse(offer, version) };
  const layer = held.find((candidate) => isMeant(candidate, accountId, reference));
  const why = { reference, offer, isGranted, isOwn: accountId === accountIdOf(namespace) };
  if (layer !== undefined) {
    return {
      type: "use",
      layer,
      kept: `Layer "${text}" ${goneText(why)}: this function goes on with version ${layer.version}`,
    };
  }
  const { reason, message } = missing(why);
  return { type: "waiting", reason, message: `Cannot use layer "${text}": ${message}; waiting for it` };
}

function mayUse({ namespace: owner, allowedNamespaces }: LayerOffer, namespace: string): boolean {
  return owner === namespace || allowedNamespaces.includes(namespace) || allowedNamespaces.includes("*");
}

function versionOf({ versions }: LayerOffer, { version }: LayerReference): LayerVersion | undefined {
  return version === undefined ? versions[0] : versions.find((candidate) => candidate.version === version);
}

function toUse({ namespace, name }: LayerOffer, { version, digest, ...content }: LayerVersion): LayerUse {
  const { zippedBytes, unzippedBytes, extensions } = content;
  return { namespace, name, version, digest, zippedBytes, unzippedBytes, extensions };
}

function isMeant({ namespace, name, version }: LayerUse, accountId: string, reference: LayerReference): boolean {
  const isLayer = accountIdOf(namespace) === accountId && name === reference.name;
  return isLayer && (reference.version === undefined || reference.version === version);
}

function isSameLayer(a: LayerUse, b: LayerUse): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

interface Missing {
  readonly reference: LayerReference;
  readonly offer: LayerOffer | undefined;
  readonly isGranted: boolean;
  readonly isOwn: boolean;
}

function goneText({ offer, isGranted, isOwn }: Missing): string {
  if (!isOwn && !isGranted) return "is gone or no longer open to this namespace";
  return offer === undefined ? "is gone" : "has that version no longer";
}

/** Of another namespace nothing is told but what it grants. */
function missing({ reference, offer, isGranted, isOwn }: Missing): { reason: Reason; message: string } {
  if (!isOwn && !isGranted) {
    const message = `no Layer of account ${reference.accountId ?? ""} has that name and this namespace in its allowedNamespaces`;
    return { reason: "LayerNotGranted", message };
  }
  if (offer === undefined) return { reason: "LayerNotFound", message: "there is no such Layer in this namespace" };
  if (offer.versions.length === 0) {
    const why = offer.problem === undefined ? "" : ` (${offer.problem})`;
    return { reason: "LayerNotReady", message: `it has no version yet${why}` };
  }
  const versions = offer.versions.slice(0, 10).map(({ version }) => version);
  const message = `Layer version ARN does not exist. The newest versions are ${versions.join(", ")}`;
  return { reason: "LayerNotFound", message };
}

/** Largest function with all its layers once unzipped, bytes. Source: Lambda quotas. */
const unzippedLimitBytes = 262_144_000;

/** Undefined when code and layers together are small enough; the text is Lambda's. */
export function findSizeProblem(
  code: { readonly unzippedBytes?: number | undefined },
  layers: readonly LayerUse[],
): { readonly reason: Reason; readonly message: string } | undefined {
  const bytes = layers.reduce((sum, { unzippedBytes }) => sum + unzippedBytes, code.unzippedBytes ?? 0);
  if (bytes <= unzippedLimitBytes) return undefined;
  const names = layers.map((layer) => `"${layer.name}:${layer.version}"`).join(", ");
  const message = `Unzipped size must be smaller than ${unzippedLimitBytes} bytes: the code with layers ${names} has ${bytes}`;
  return { reason: "CodeTooLarge", message };
}

/** As messages and statuses name it: a layer of another namespace by its ARN. */
export function layerTitle(
  { namespace, name }: LayerUse,
  own: { readonly namespace: string; readonly region: string },
): string {
  if (namespace === own.namespace) return name;
  return layerArn({ region: own.region, accountId: accountIdOf(namespace), name });
}

/** A function runs ten extensions at most; an eleventh is a launch error, which its agent finds. Source: extensions-api.md 2. */
const mostExtensions = 10;

/** Files that run in containers of their own, in byte order; of two layers with one name the later wins, and it is one file. */
export function extensionFiles(layers: readonly Pick<LayerUse, "extensions">[]): readonly string[] {
  const names = new Set(layers.flatMap(({ extensions }) => extensions));
  return [...names].sort(compareBytes).slice(0, mostExtensions);
}

function compareBytes(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => new TextEncoder().encode(text));
  for (let i = 0; i < Math.min(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return (left?.length ?? 0) - (right?.length ?? 0);
}
