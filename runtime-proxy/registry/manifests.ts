/** What registries answer, as plain data. Sources: OCI image specification 1.1 (manifest, image index, config), Docker image manifest v2 schema 2. Pure. */
import { quote, RegistryError } from "./registry-error.ts";

export const manifestTypes = {
  index: ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
  manifest: ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"],
} as const;

export type Architecture = "x86_64" | "arm64";

/** As images name it. */
const platformNames = { x86_64: "amd64", arm64: "arm64" } as const satisfies Record<Architecture, string>;
const configTypes = ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/** More than any image has, less than makes a status or an argv too large. */
const limits = { descriptors: 1000, words: 1000, wordLength: 16_384 };

export interface ImageManifest {
  readonly configDigest: string;
  readonly compressedBytes: number;
}

export interface ImageConfig {
  readonly entryPoint: readonly string[];
  readonly command: readonly string[];
  readonly workingDirectory: string;
  readonly platform: string;
}

/** True for an index, false for one image's manifest; throws RegistryError (InvalidImage) for anything else. */
export function isIndex(title: string, manifest: unknown, contentType: string): boolean {
  const { mediaType, schemaVersion, manifests } = members(manifest);
  const type = typeof mediaType === "string" ? mediaType : (contentType.split(";")[0] ?? "").trim();
  if ((manifestTypes.index as readonly string[]).includes(type)) return true;
  if ((manifestTypes.manifest as readonly string[]).includes(type)) return false;
  if (schemaVersion === 1)
    throw invalid(title, "its manifest is of Docker's old schema 1: push it again with a newer tool");
  // OCI 1.0 let the member out, and some registries answer with application/json.
  if (schemaVersion === 2 && type === "application/json") return Array.isArray(manifests);
  throw invalid(title, `its manifest is of type ${quote(type)}, which is no container image`);
}

/** Digest of the manifest in an index that is for the architecture; throws RegistryError when there is none. */
export function pickManifest(title: string, index: unknown, architecture: Architecture): string {
  const { manifests } = members(index);
  if (!Array.isArray(manifests) || manifests.length > limits.descriptors)
    throw invalid(title, "its index has no list of manifests");
  const wanted = platformNames[architecture];
  const found = manifests.map(members).filter(({ platform }) => {
    const { os, architecture: name } = members(platform);
    return os === "linux" && name === wanted;
  });
  // Of several variants the one without, or the first.
  const best = found.find(({ platform }) => isPlainVariant(members(platform)["variant"])) ?? found[0];
  if (best !== undefined) return requireDigest(title, best["digest"]);
  const there = manifests.map((each) => platformOf(members(members(each)["platform"])));
  const names = [...new Set(there)].filter((name) => name !== "unknown/unknown").sort();
  throw new RegistryError(
    "ImageArchitectureMismatch",
    `Cannot run ${title} on ${architecture}: it is there for ${names.length === 0 ? "no platform" : names.join(", ")}, not for linux/${wanted}`,
  );
}

export function readManifest(title: string, manifest: unknown): ImageManifest {
  const { config, layers } = members(manifest);
  const { digest, mediaType } = members(config);
  if (!Array.isArray(layers) || layers.length > limits.descriptors)
    throw invalid(title, "its manifest has no list of layers");
  if (typeof mediaType === "string" && !configTypes.includes(mediaType)) {
    throw invalid(title, `its configuration is of type ${quote(mediaType)}: it is no container image`);
  }
  const sizes = layers.map((layer) => members(layer)["size"]);
  const compressedBytes = sizes.reduce<number>((sum, size) => sum + (typeof size === "number" ? size : 0), 0);
  return { configDigest: requireDigest(title, digest), compressedBytes };
}

/** Throws RegistryError for a configuration that is none, or is another architecture's. */
export function readConfig(title: string, value: unknown, architecture: Architecture): ImageConfig {
  const { os, architecture: name, config } = members(value);
  const platform = platformOf({ os, architecture: name });
  const isRight =
    (os === undefined || os === "linux") && (name === undefined || name === "" || name === platformNames[architecture]);
  if (!isRight) {
    const message = `Cannot run ${title} on ${architecture}: it is for ${platform}; set architectures, or build it for linux/${platformNames[architecture]}`;
    throw new RegistryError("ImageArchitectureMismatch", message);
  }
  const { Entrypoint, Cmd, WorkingDir } = members(config);
  return {
    entryPoint: words(title, "ENTRYPOINT", Entrypoint),
    command: words(title, "CMD", Cmd),
    workingDirectory: typeof WorkingDir === "string" && WorkingDir !== "" ? WorkingDir : "/",
    platform,
  };
}

/** Members of a JSON object; of anything else none. */
export function members(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : {};
}

function words(title: string, what: string, value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const isWords = Array.isArray(value) && value.every((word) => typeof word === "string");
  if (!isWords) throw invalid(title, `its ${what} is no list of words`);
  const list = value as readonly string[];
  if (list.length > limits.words || list.join("").length > limits.wordLength) {
    throw invalid(title, `its ${what} is longer than ${limits.wordLength} characters`);
  }
  return list;
}

function requireDigest(title: string, digest: unknown): string {
  if (typeof digest === "string" && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw invalid(title, `it names a part by ${quote(String(digest))}, which is no sha256 digest`);
}

function isPlainVariant(variant: unknown): boolean {
  return variant === undefined || variant === "" || variant === "v8";
}

function platformOf({ os = "linux", architecture = "unknown" }: Readonly<Record<string, unknown>>): string {
  return `${String(os)}/${String(architecture)}`;
}

function invalid(title: string, why: string): RegistryError {
  return new RegistryError("InvalidImage", `Cannot use ${title}: ${why}`);
}
