/** Which source a Function's code names, as the package store wants it. Pure. */
import type { Reason } from "../../../crds/v1alpha1/condition.ts";
import type { Code } from "../../../crds/v1alpha1/code.ts";
import type { PackageErrorCode, ResolveRequest } from "../../../crds/wire/packages.ts";
import type { KubernetesObject } from "../../../lib/kubernetes/object.ts";

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

export type CodeSource =
  | { readonly type: "source"; readonly source: ResolveRequest["source"] }
  | { readonly type: "waiting"; readonly reason: Reason; readonly message: string }
  | { readonly type: "refused"; readonly reason: Reason; readonly message: string };

/** `configMap` is the one that the code names, if it is there. Sources that are not served never come here. */
export function decideSource(code: Code, configMap: ConfigMap | undefined): CodeSource {
  if (code.files !== undefined) return { type: "source", source: { type: "files", files: code.files } };
  if (code.zipFile !== undefined) return { type: "source", source: { type: "zip", base64: code.zipFile } };
  if (code.url !== undefined)
    return { type: "source", source: { type: "url", url: code.url, sha256: code.sha256 ?? "" } };
  if (code.configMapRef !== undefined) return fromConfigMap(code.configMapRef, configMap);
  return {
    type: "refused",
    reason: "SourceNotServed",
    message: "Cannot read the code: its source is none of this release's",
  };
}

function fromConfigMap({ name, key }: NonNullable<Code["configMapRef"]>, configMap: ConfigMap | undefined): CodeSource {
  if (configMap === undefined) {
    const message = `Cannot read the code from ConfigMap "${name}": there is none in this namespace; waiting for it`;
    return { type: "waiting", reason: "ConfigMapNotFound", message };
  }
  const { data = {}, binaryData = {} } = configMap;
  if (key !== undefined) return fromKey(name, key, configMap);
  if (Object.keys(data).length + Object.keys(binaryData).length === 0) {
    const message = `Cannot read the code from ConfigMap "${name}": it is empty; waiting for a key`;
    return { type: "waiting", reason: "ConfigMapNotFound", message };
  }
  if (Object.keys(binaryData).length === 0) return { type: "source", source: { type: "files", files: data } };
  const encoded = Object.entries(data).map(([file, text]) => [file, toBase64(text)] as const);
  return { type: "source", source: { type: "binaryFiles", files: { ...Object.fromEntries(encoded), ...binaryData } } };
}

function fromKey(name: string, key: string, { data = {}, binaryData = {} }: ConfigMap): CodeSource {
  const base64 = Object.hasOwn(binaryData, key) ? binaryData[key] : undefined;
  if (base64 !== undefined) return { type: "source", source: { type: "zip", base64 } };
  if (Object.hasOwn(data, key)) {
    const message = `Cannot read the code from key "${key}" of ConfigMap "${name}": it is text; a zip has to be in binaryData (kubectl create configmap --from-file)`;
    return { type: "waiting", reason: "InvalidArchive", message };
  }
  const keys = [...Object.keys(data), ...Object.keys(binaryData)].sort().map((other) => `"${other}"`);
  const message = `Cannot read the code from key "${key}" of ConfigMap "${name}": it has ${keys.length === 0 ? "no keys" : keys.join(", ")}; waiting for it`;
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
