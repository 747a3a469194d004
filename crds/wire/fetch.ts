/** Operator → `fetch`, a short-lived pod in a tenant's namespace: what to bring to the package store that takes the tenant's Secret to read. */
import { z } from "zod";
import { ociSourceSchema, s3SourceSchema, urlSourceSchema, type PackageErrorCode } from "./packages.ts";

/** In the variable `fetchVariables.document`. */
export const fetchDocumentSchema = z.object({
  source: z.discriminatedUnion("type", [s3SourceSchema, urlSourceSchema, ociSourceSchema]),
  /** Where it may go, beside public addresses. */
  network: z.object({ allowedCIDRs: z.array(z.string()), deniedCIDRs: z.array(z.string()) }),
  /** Registries that are spoken to without TLS. */
  plainHttpHosts: z.array(z.string()).optional(),
  /** The Secret that the pod is given, for messages. */
  secret: z.string(),
  /** As in `ResolveRequest`. */
  known: z.object({ digest: z.string(), revision: z.string() }).optional(),
});
export type FetchDocument = z.infer<typeof fetchDocumentSchema>;

/** What a pod of a tenant's reaches in the tenant's network, as the function will: that is the network's affair, but for the node's own addresses. */
export const tenantRanges: readonly string[] = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"],
  "fc00::/7",
];

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
  /** A directory for each pull secret is in it. */
  secretsDirectory: "KUBELAMBDA_FETCH_SECRETS_DIRECTORY",
  /** Certificates (PEM) of authorities that registries may be signed by. */
  registryCaBundle: "KUBELAMBDA_REGISTRY_CA_BUNDLE",
  /** The whole Authorization header of a url. */
  authorization: "KUBELAMBDA_URL_AUTHORIZATION",
} as const;

/** The pod's termination message, at most 4096 bytes. The operator asks the store what a digest holds: this is a tenant's word. */
export type FetchOutcome =
  | { readonly ok: true; readonly digest: string; readonly revision?: string }
  | {
      readonly ok: false;
      readonly error: {
        readonly code: PackageErrorCode;
        readonly message: string;
        /** As in `ResolveAnswer`. */
        readonly retryAfterMs?: number | undefined;
      };
    };
