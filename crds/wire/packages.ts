/** Operator → package store: a source becomes a digest once; everything after uses the digest. */
import { z } from "zod";

/** One object of an S3-compatible service, everything about the way to it said. */
export const s3SourceSchema = z.object({
  type: z.literal("s3"),
  /** `http(s)://host[:port]`, without the bucket. */
  endpoint: z.string(),
  region: z.string(),
  /** Where the bucket's name stands: before the host's, or first in the path. */
  addressing: z.enum(["path", "host"]),
  bucket: z.string(),
  key: z.string(),
  version: z.string().optional(),
  /** Absent: whatever is there is taken. */
  sha256: z.string().optional(),
});
export type S3Source = z.infer<typeof s3SourceSchema>;

export const urlSourceSchema = z.object({ type: z.literal("url"), url: z.string(), sha256: z.string() });

/** An artifact or image of a registry, by tag or digest. */
export const ociSourceSchema = z.object({
  type: z.literal("oci"),
  /** `registry/repository:tag` or `…@sha256:…`. */
  reference: z.string(),
  /** Folder within its layers that is the package; absent: all of it. */
  path: z.string().optional(),
  /** Whose member of an index is taken. */
  architecture: z.enum(["x86_64", "arm64"]),
  /** Of the package; absent: whatever is there is taken. */
  sha256: z.string().optional(),
});
export type OciSource = z.infer<typeof ociSourceSchema>;

export const resolveRequestSchema = z.object({
  /** Namespace that may read the content afterwards. */
  namespace: z.string(),
  /** What the content is for: it decides which limits hold. */
  use: z.enum(["code", "layer"]),
  source: z.discriminatedUnion("type", [
    /** File name → text; executable where it begins with `#!`. */
    z.object({ type: z.literal("files"), files: z.record(z.string(), z.string()) }),
    /** File name → base64, as a ConfigMap's binaryData; executable where it begins with `#!`. */
    z.object({ type: z.literal("binaryFiles"), files: z.record(z.string(), z.string()) }),
    z.object({ type: z.literal("zip"), base64: z.string() }),
    urlSourceSchema,
    /** One that everybody may read. */
    s3SourceSchema,
    /** The same. */
    ociSourceSchema,
    /** `of`: the namespace that has it and lets the asking one use it; absent: the asking one has it. */
    z.object({ type: z.literal("digest"), digest: z.string(), of: z.string().optional() }),
  ]),
  /** What was read before from a source that may change: while that stands nothing is read again. */
  known: z.object({ digest: z.string(), revision: z.string() }).optional(),
});
export type ResolveRequest = z.infer<typeof resolveRequestSchema>;

export interface ResolvedPackage {
  /** `sha256:<hex>` of the zip. */
  readonly digest: string;
  /** Base64 of the same, as AWS shows it. */
  readonly codeSHA256: string;
  readonly zippedBytes: number;
  readonly unzippedBytes: number;
  /** Names of the files directly in its `extensions/`, in byte order: what a layer starts beside the runtime. At most 64. */
  readonly extensions: readonly string[];
  /** What the source calls these bytes (ETag), where it may change. */
  readonly revision?: string;
}

/** Of Lambda's bound on what is unzipped: no zip that is larger could hold it, bytes. */
export const uploadLimitBytes = 262_144_000;
/** Digest of an upload as the sender has computed it, `sha256:<hex>`. */
export const uploadDigestHeader = "x-kubelambda-digest";

/** Token of audience `packages` of a ServiceAccount: for the namespace of that. Its own header, since the API server keeps Authorization to itself. */
export const pushTokenHeader = "x-kubelambda-token";
/** In local mode, where there are no tokens: the namespace. */
export const pushNamespaceHeader = "x-kubelambda-namespace";

/** Of a push that goes on: `<offset of its first byte>/<bytes of the whole package>`; absent: it is the whole package. */
export const pushPartHeader = "x-kubelambda-part";

/** Stalled ones need a new spec; those that may mend themselves are worth another try. */
export type PackageErrorCode =
  | "CodeTooLarge"
  | "UnsafeArchiveEntry"
  | "DigestMismatch"
  | "InvalidArchive"
  | "SourceUnreachable"
  | "SourceCorrupt"
  | "SourceRefused"
  | "SourceForbidden"
  | "SourceNotFound"
  | "SecretNotFound"
  | "FetchFailed"
  | "PackageNotFound"
  | "StoreUnavailable";

export type ResolveAnswer =
  | { readonly ok: true; readonly package: ResolvedPackage }
  | {
      readonly ok: false;
      readonly error: {
        readonly code: PackageErrorCode;
        readonly message: string;
        readonly entry?: string;
        /** How long the source wants to be left alone, ms. */
        readonly retryAfterMs?: number;
        /** Of a push that broke: so many bytes of its beginning are here. */
        readonly receivedBytes?: number;
      };
    };

/** Namespace → digests that are still needed there. What is in no list and older than the grace period is collected. */
export const referencesSchema = z.object({ references: z.record(z.string(), z.array(z.string())) });
export type References = z.infer<typeof referencesSchema>;

/** On every answer of the store to the operator: another value means other content (a new volume, another bucket). */
export const storeHeader = "x-kubelambda-store";
