/** Operator → package store: a source becomes a digest once; everything after uses the digest. */
import { z } from "zod";

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
    z.object({ type: z.literal("url"), url: z.string(), sha256: z.string() }),
    /** `of`: the namespace that has it and lets the asking one use it; absent: the asking one has it. */
    z.object({ type: z.literal("digest"), digest: z.string(), of: z.string().optional() }),
  ]),
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
}

/** Stalled ones need a new spec; `SourceUnreachable` and `StoreUnavailable` are worth another try. */
export type PackageErrorCode =
  | "CodeTooLarge"
  | "UnsafeArchiveEntry"
  | "DigestMismatch"
  | "InvalidArchive"
  | "SourceUnreachable"
  | "SourceRefused"
  | "PackageNotFound"
  | "StoreUnavailable";

export type ResolveAnswer =
  | { readonly ok: true; readonly package: ResolvedPackage }
  | {
      readonly ok: false;
      readonly error: { readonly code: PackageErrorCode; readonly message: string; readonly entry?: string };
    };

/** Namespace → digests that are still needed there. What is in no list and older than the grace period is collected. */
export const referencesSchema = z.object({ references: z.record(z.string(), z.array(z.string())) });
export type References = z.infer<typeof referencesSchema>;
