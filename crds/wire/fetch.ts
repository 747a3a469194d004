/** Operator → `fetch`, a short-lived pod in a tenant's namespace: what to bring to the package store that takes the tenant's Secret to read. */
import { z } from "zod";
import { s3SourceSchema, urlSourceSchema, type PackageErrorCode } from "./packages.ts";

/** In the variable `fetchVariables.document`. */
export const fetchDocumentSchema = z.object({
  source: z.discriminatedUnion("type", [s3SourceSchema, urlSourceSchema]),
  /** Where it may go, beside public addresses. */
  network: z.object({ allowedCIDRs: z.array(z.string()), deniedCIDRs: z.array(z.string()) }),
  /** The Secret that the pod is given, for messages. */
  secret: z.string(),
  /** As in `ResolveRequest`. */
  known: z.object({ digest: z.string(), revision: z.string() }).optional(),
});
export type FetchDocument = z.infer<typeof fetchDocumentSchema>;

/** Variables of the process. */
export const fetchVariables = {
  /** JSON of `FetchDocument`. */
  document: "KUBELAMBDA_FETCH",
  packagesUrl: "KUBELAMBDA_PACKAGES_URL",
  /** Of the audience `packages`. */
  tokenFile: "KUBELAMBDA_TOKEN_FILE",
  /** By these the kubelet hands over what the Secret holds; one that is not there is not set. */
  accessKeyId: "AWS_ACCESS_KEY_ID",
  secretAccessKey: "AWS_SECRET_ACCESS_KEY",
  sessionToken: "AWS_SESSION_TOKEN",
  /** The whole Authorization header of a url. */
  authorization: "KUBELAMBDA_URL_AUTHORIZATION",
} as const;

/** The pod's termination message, at most 4096 bytes. The operator asks the store what a digest holds: this is a tenant's word. */
export type FetchOutcome =
  | { readonly ok: true; readonly digest: string; readonly revision?: string }
  | { readonly ok: false; readonly error: { readonly code: PackageErrorCode; readonly message: string } };
