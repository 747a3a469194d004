/** Which source a Function's code or a Layer's content names, as the package store wants it. Pure. */
import type { Reason } from "../crds/v1alpha1/condition.ts";
import type { Code, Content } from "../crds/v1alpha1/code.ts";
import type { PackageErrorCode, ResolvedPackage, ResolveRequest } from "../crds/wire/packages.ts";
import type { KubernetesObject } from "../lib/kubernetes/object.ts";

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** What is known of the package that a spec names. */
export type PackageSeen =
  | { readonly type: "resolved"; readonly sourceHash: string; readonly package: PackageFacts }
  | { readonly type: "resolving" }
  /** Something else has to come first: looked at again and again. */
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string }
  /** It should work: tried again. */
  | { readonly type: "retrying"; readonly reason: Reason; readonly message: string; readonly retryAfterMs: number }
  /** Only another spec helps. */
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** What was kept by an earlier release lacks the last two. */
export type PackageFacts = Pick<ResolvedPackage, "digest" | "codeSHA256" | "zippedBytes"> &
  Partial<Pick<ResolvedPackage, "unzippedBytes" | "extensions">>;

export type PackageSource =
  | { readonly type: "source"; readonly source: ResolveRequest["source"] }
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string }
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** What the user calls it: the member of the spec. */
export type SourceMember = "code" | "content";

/** `configMap` is the one that the source names, if it is there. */
export function decideSource(
  member: SourceMember,
  code: Code | Content,
  configMap: ConfigMap | undefined,
): PackageSource {
  const unserved = findUnservedSource(member, code);
  if (unserved !== undefined) return { type: "refused", ...unserved };
  if (code.files !== undefined) return { type: "source", source: { type: "files", files: code.files } };
  if (code.zipFile !== undefined) return { type: "source", source: { type: "zip", base64: code.zipFile } };
  if (code.url !== undefined)
    return { type: "source", source: { type: "url", url: code.url, sha256: code.sha256 ?? "" } };
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
  const source = (["s3Bucket", "s3BucketRef", "oci", "digest"] as const).find((name) => code[name] !== undefined);
  if (source !== undefined) {
    const message = `Cannot read the ${member} from ${member}.${source}: this release does not take ${member} from there; use ${servedSources}`;
    return { reason: "SourceNotServed", message };
  }
  if (code.urlSecretRef === undefined) return undefined;
  const message = `Cannot read the ${member} with ${member}.urlSecretRef: this release fetches public addresses only; use zipFile or configMapRef`;
  return { reason: "SourceNotServed", message };
}

export const servedSources = "files, zipFile, configMapRef, or url with sha256";

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

/** A closed map from the store's codes to a condition's reasons; the retried ones may mend themselves. */
export const packageErrors = {
  CodeTooLarge: { reason: "CodeTooLarge", isRetried: false },
  UnsafeArchiveEntry: { reason: "UnsafeArchiveEntry", isRetried: false },
  DigestMismatch: { reason: "DigestMismatch", isRetried: false },
  InvalidArchive: { reason: "InvalidArchive", isRetried: false },
  SourceRefused: { reason: "SourceRefused", isRetried: false },
  PackageNotFound: { reason: "PackageNotFound", isRetried: false },
  SourceUnreachable: { reason: "SourceUnreachable", isRetried: true },
  StoreUnavailable: { reason: "PackageStoreUnavailable", isRetried: true },
} as const satisfies Record<PackageErrorCode, { reason: Reason; isRetried: boolean }>;
