/** Which source a Function's code or a Layer's content names, as the package store wants it. Pure. */
import type { Reason } from "../crds/v1alpha1/condition.ts";
import type { Code, Content } from "../crds/v1alpha1/code.ts";
import type { OciSource, PackageErrorCode, ResolvedPackage, ResolveRequest } from "../crds/wire/packages.ts";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** What is known of the package that a spec names. */
export type PackageSeen =
  | {
      readonly type: "resolved";
      readonly sourceHash: string;
      readonly package: PackageFacts;
      /** Of a source that is looked at again. */
      readonly recheck?: Recheck;
    }
  | { readonly type: "resolving" }
  /** Something else has to come first: looked at again and again. */
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string }
  /** It should work: tried again. */
  | { readonly type: "retrying"; readonly reason: Reason; readonly message: string; readonly retryAfterMs: number }
  /** Only another spec helps. */
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** When a source that may change is looked at next, and why the last look was in vain, if it was. */
export interface Recheck {
  readonly afterMs: number;
  readonly problem?: { readonly reason: Reason; readonly message: string };
}

/** What was kept by an earlier release lacks the last two. */
export type PackageFacts = Pick<ResolvedPackage, "digest" | "codeSHA256" | "zippedBytes"> &
  Partial<Pick<ResolvedPackage, "unzippedBytes" | "extensions" | "revision">>;

/** The Secret that it takes to read a source. */
export type SourceSecret =
  | { readonly type: "s3"; readonly name: string }
  /** A url's Authorization header. */
  | { readonly type: "url"; readonly name: string; readonly key: string }
  /** A pull secret. */
  | { readonly type: "oci"; readonly name: string };

export type PackageSource =
  | {
      readonly type: "source";
      readonly source: ResolveRequest["source"];
      readonly secret?: SourceSecret;
      /** Other bytes are looked for after so long; absent: never. */
      readonly recheckMs?: number;
    }
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string }
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** The installation's, for what a spec does not say of its bucket. */
export interface S3Defaults {
  /** Empty: AWS' own. */
  readonly endpoint: string;
  readonly region: string;
  readonly addressing?: "path" | "host" | undefined;
}

/** What a spec does not say of its source. */
export interface SourcePreset {
  readonly s3: S3Defaults;
  /** Whose member of an index is taken; default: x86_64. */
  readonly architecture?: OciSource["architecture"] | undefined;
}

/** What the user calls it: the member of the spec. */
export type SourceMember = "code" | "content";

/** `configMap` is the one that the source names, if it is there. */
export function decideSource(
  member: SourceMember,
  code: Code | Content,
  configMap: ConfigMap | undefined,
  { s3, architecture }: SourcePreset,
): PackageSource {
  const unserved = findUnservedSource(member, code);
  if (unserved !== undefined) return { type: "refused", ...unserved };
  if (code.files !== undefined) return { type: "source", source: { type: "files", files: code.files } };
  if (code.zipFile !== undefined) return { type: "source", source: { type: "zip", base64: code.zipFile } };
  if (code.url !== undefined) return fromUrl(code.url, code);
  if (code.s3Bucket !== undefined) return fromS3(code.s3Bucket, code, s3);
  if (code.oci !== undefined) return fromOci(code.oci, code, architecture);
  if (code.digest !== undefined) return { type: "source", source: { type: "digest", digest: code.digest } };
  if (code.configMapRef !== undefined) return fromConfigMap(member, code.configMapRef, configMap);
  return {
    type: "refused",
    reason: "SourceNotServed",
    message: `Cannot read the ${member}: its source is none of this release's`,
  };
}

/** Sources that the schema knows and this release does not take. */
export function findUnservedSource(
  member: SourceMember,
  code: Code | Content,
): { readonly reason: Reason; readonly message: string } | undefined {
  if (code.s3BucketRef === undefined) return undefined;
  const message = `Cannot read the ${member} from ${member}.s3BucketRef: there are no objects of that kind here; name the bucket in s3Bucket`;
  return { reason: "SourceNotServed", message };
}

function fromOci(
  { reference, path, pullSecret }: NonNullable<Code["oci"]>,
  { sha256, recheckSeconds }: Code | Content,
  architecture: OciSource["architecture"] = "x86_64",
): PackageSource {
  return {
    type: "source",
    source: {
      ...{ type: "oci", reference, architecture },
      ...(path !== undefined && { path }),
      ...(sha256 !== undefined && { sha256 }),
    },
    ...(pullSecret !== undefined && { secret: { type: "oci", name: pullSecret.name } }),
    ...(recheckSeconds !== undefined && { recheckMs: recheckSeconds * 1000 }),
  };
}

function fromUrl(url: string, { sha256 = "", urlSecretRef }: Code | Content): PackageSource {
  const source = { type: "url", url, sha256 } as const;
  if (urlSecretRef === undefined) return { type: "source", source };
  return { type: "source", source, secret: { type: "url", name: urlSecretRef.name, key: urlSecretRef.key } };
}

function fromS3(bucket: string, code: Code | Content, preset: S3Defaults): PackageSource {
  const { s3Key: key = "", s3ObjectVersion: version, sha256, s3Access = {}, recheckSeconds } = code;
  const region = s3Access.region ?? preset.region;
  const own = s3Access.endpoint?.replace(/\/$/, "");
  const endpoint = own ?? (preset.endpoint === "" ? awsEndpoint(region) : preset.endpoint);
  const isPreset = own === undefined || own === preset.endpoint;
  const addressing =
    s3Access.addressing ?? (isPreset ? preset.addressing : undefined) ?? usualAddressing(endpoint, bucket);
  const { secretRef } = s3Access;
  return {
    type: "source",
    source: {
      ...{ type: "s3", endpoint, region, addressing, bucket, key },
      ...(version !== undefined && { version }),
      ...(sha256 !== undefined && { sha256 }),
    },
    ...(secretRef !== undefined && { secret: { type: "s3", name: secretRef.name } }),
    ...(recheckSeconds !== undefined && { recheckMs: recheckSeconds * 1000 }),
  };
}

/** Source: AWS General Reference, Amazon S3 endpoints. */
function awsEndpoint(region: string): string {
  return `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** A bucket with a dot in its name is no host of the wildcard certificate. */
function usualAddressing(endpoint: string, bucket: string): "path" | "host" {
  return /\.amazonaws\.com(\.cn)?$/.test(endpoint) && !bucket.includes(".") ? "host" : "path";
}

function fromConfigMap(
  member: SourceMember,
  { name, key }: NonNullable<Code["configMapRef"]>,
  configMap: ConfigMap | undefined,
): PackageSource {
  const what = `Cannot read the ${member} from`;
  if (configMap === undefined) {
    const message = `${what} ConfigMap "${name}": there is none in this namespace; waiting for it`;
    return { type: "waiting", reason: "ConfigMapNotFound", message };
  }
  const { data = {}, binaryData = {} } = configMap;
  if (key !== undefined) return fromKey(member, name, key, configMap);
  if (Object.keys(data).length + Object.keys(binaryData).length === 0) {
    const message = `${what} ConfigMap "${name}": it is empty; waiting for a key`;
    return { type: "waiting", reason: "ConfigMapNotFound", message };
  }
  if (Object.keys(binaryData).length === 0) return { type: "source", source: { type: "files", files: data } };
  const encoded = Object.entries(data).map(([file, text]) => [file, toBase64(text)] as const);
  return { type: "source", source: { type: "binaryFiles", files: { ...Object.fromEntries(encoded), ...binaryData } } };
}

function fromKey(
  member: SourceMember,
  name: string,
  key: string,
  { data = {}, binaryData = {} }: ConfigMap,
): PackageSource {
  const what = `Cannot read the ${member} from`;
  const base64 = Object.hasOwn(binaryData, key) ? binaryData[key] : undefined;
  if (base64 !== undefined) return { type: "source", source: { type: "zip", base64 } };
  if (Object.hasOwn(data, key)) {
    const message = `${what} key "${key}" of ConfigMap "${name}": it is text; a zip has to be in binaryData (kubectl create configmap --from-file)`;
    return { type: "waiting", reason: "InvalidArchive", message };
  }
  const keys = [...Object.keys(data), ...Object.keys(binaryData)].sort().map((other) => `"${other}"`);
  const message = `${what} key "${key}" of ConfigMap "${name}": it has ${keys.length === 0 ? "no keys" : keys.join(", ")}; waiting for it`;
  return { type: "waiting", reason: "ConfigMapNotFound", message };
}

function toBase64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * A closed map from the store's codes to a condition's reasons. One rule, for images (image-code.ts) too: what lies outside of the spec is
 * tried again, at most every two minutes, also what an admin has closed; what the bytes themselves are is final.
 */
export const packageErrors = {
  CodeTooLarge: { reason: "CodeTooLarge", isRetried: false },
  UnsafeArchiveEntry: { reason: "UnsafeArchiveEntry", isRetried: false },
  DigestMismatch: { reason: "DigestMismatch", isRetried: false },
  InvalidArchive: { reason: "InvalidArchive", isRetried: false },
  SourceRefused: { reason: "SourceRefused", isRetried: true },
  PackageNotFound: { reason: "PackageNotFound", isRetried: true },
  SourceUnreachable: { reason: "SourceUnreachable", isRetried: true },
  SourceCorrupt: { reason: "SourceCorrupt", isRetried: true },
  SourceForbidden: { reason: "SourceForbidden", isRetried: true },
  SourceNotFound: { reason: "SourceNotFound", isRetried: true },
  SecretNotFound: { reason: "SecretNotFound", isRetried: true },
  FetchFailed: { reason: "FetchFailed", isRetried: true },
  StoreUnavailable: { reason: "PackageStoreUnavailable", isRetried: true },
} as const satisfies Record<PackageErrorCode, { reason: Reason; isRetried: boolean }>;

/** What other bytes under the same name put right. */
export const contentErrors: ReadonlySet<PackageErrorCode> = new Set<PackageErrorCode>([
  ...(["CodeTooLarge", "UnsafeArchiveEntry", "InvalidArchive"] as const),
]);

export const packageReasons: readonly Reason[] = Object.values(packageErrors).map(({ reason }) => reason);
/** Nothing but time, or somebody else, is in the way. */
export const retriedPackageReasons: readonly Reason[] = Object.values(packageErrors)
  .filter(({ isRetried }) => isRetried)
  .map(({ reason }) => reason);
