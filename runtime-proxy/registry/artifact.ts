/** Which parts of an artifact or image are the package. Sources: OCI image specification 1.1 (manifest, layer media types); what oras, Flux, Helm and Docker write. Pure. */
import { members } from "./manifests.ts";
import { quote, RegistryError } from "./registry-error.ts";

/** One layer as its manifest describes it. */
export interface ArtifactLayer {
  readonly digest: string;
  /** As it travels. */
  readonly bytes: number;
  /** For messages: its place, counted from 1, and the file's name where there is one. */
  readonly title: string;
}

/** More than container tools make; each costs a request. */
const mostLayers = 128;
const nameKey = "org.opencontainers.image.title";

/** The layers from the lowest up; throws RegistryError where one cannot be part of a package. What is a zip and what a tar, the bytes say. */
export function readArtifact(title: string, manifest: unknown): readonly ArtifactLayer[] {
  const { layers } = members(manifest);
  if (!Array.isArray(layers) || layers.length === 0) throw invalid(title, `its manifest has no layers; ${wanted}`);
  if (layers.length > mostLayers)
    throw invalid(title, `it has ${layers.length} layers, more than ${mostLayers}; make fewer of them`);
  return layers.map((layer, index) => readLayer(title, members(layer), index));
}

function readLayer(title: string, layer: Readonly<Record<string, unknown>>, index: number): ArtifactLayer {
  const { digest, size, mediaType = "", annotations } = layer;
  const name = members(annotations)[nameKey];
  const layerTitle = `layer ${index + 1}${typeof name === "string" ? ` (${quote(name)})` : ""}`;
  if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw invalid(title, `its ${layerTitle} is named by ${quote(String(digest))}, which is no sha256 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw invalid(title, `its ${layerTitle} has no size`);
  if (typeof mediaType !== "string" || !mayHoldPackage(mediaType))
    throw invalid(title, `its ${layerTitle} is of type ${quote(String(mediaType))}; ${wanted}`);
  return { digest, bytes: size, title: layerTitle };
}

const wanted = "a package is one zip (application/zip) or layers that are tar, tar+gzip or tar+zstd";

/** Also what is plain bytes: oras gives a file that type when none is said. */
export function mayHoldPackage(mediaType: string): boolean {
  const type = (mediaType.split(";")[0] ?? "").trim().toLowerCase();
  if (type.endsWith("+encrypted")) return false;
  if (type === "" || type === "application/octet-stream") return true;
  return /(^|[/.+-])(zip|tar|gzip|zstd|tgz|x-zip-compressed)($|[.+-])/.test(type);
}

function invalid(title: string, why: string): RegistryError {
  return new RegistryError("InvalidImage", `Cannot use ${title}: ${why}`);
}
