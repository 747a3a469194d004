/**
 * Operator → package store: an image reference becomes a digest and what the image says of itself, once; everything after uses
 * the digest. A fetch pod, to which the kubelet gives pull secrets, leaves the same answer for the operator, as JSON, in its termination
 * message, of which the kubelet keeps 4,096 bytes.
 */
import { z } from "zod";

export const resolveImageRequestSchema = z.object({
  /** Whose function it is: for logs. */
  namespace: z.string(),
  /** As a user writes it: registry, repository, tag or digest. */
  image: z.string().min(1).max(1024),
  architecture: z.enum(["x86_64", "arm64"]),
  /** What the tag named when it was last looked at: `unchanged` when it names that still. */
  knownDigest: z.string().optional(),
});
export type ResolveImageRequest = z.infer<typeof resolveImageRequestSchema>;

/** The image's ENV is not among this: a container has it from its image. */
export const resolvedImageSchema = z.object({
  /** What runs: `registry/repository@sha256:…`, the manifest of the architecture. */
  reference: z.string(),
  /** `sha256:…` of that manifest. */
  digest: z.string(),
  /** What the reference named: `digest`, or that of the index above it. */
  namedDigest: z.string(),
  /** Absent: the reference has a digest, which names the same for ever. */
  tag: z.string().optional(),
  entryPoint: z.array(z.string()),
  command: z.array(z.string()),
  /** WORKDIR; `/` when the image has none. */
  workingDirectory: z.string(),
  /** E.g. `linux/arm64`. */
  platform: z.string(),
  /** Of all layers as they travel. */
  compressedBytes: z.number(),
});
export type ResolvedImage = z.infer<typeof resolvedImageSchema>;

/** Variables of a fetch pod. */
export const imageFetchVariables = {
  /** JSON of `ResolveImageRequest`. */
  request: "KUBELAMBDA_FETCH_REQUEST",
  /** A directory for each pull secret is in it. */
  secretsDirectory: "KUBELAMBDA_FETCH_SECRETS_DIRECTORY",
  plainHttpHosts: "KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS",
  /** Certificates (PEM) of authorities that registries may be signed by. */
  registryCaBundle: "KUBELAMBDA_REGISTRY_CA_BUNDLE",
} as const;
/** Source: Kubernetes API, terminationMessagePath. */
export const FETCH_MESSAGE_BYTES = 4096;

/** `RegistryUnreachable`, `FetchFailed` (the pod that was to read the image could not) and `StoreUnavailable` may mend themselves; so may `ImageNotFound` and `ImageUnauthorized`, by what others do. */
export const imageErrorCodes = [
  "InvalidImageReference",
  "ImageNotFound",
  "ImageUnauthorized",
  "ImageRefused",
  "InvalidImage",
  "ImageArchitectureMismatch",
  "RegistryUnreachable",
  "FetchFailed",
  "StoreUnavailable",
] as const;
export type ImageErrorCode = (typeof imageErrorCodes)[number];

export const imageAnswerSchema = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("resolved"), image: resolvedImageSchema }),
  z.object({ outcome: z.literal("unchanged") }),
  z.object({ outcome: z.literal("failed"), code: z.enum(imageErrorCodes), message: z.string() }),
]);
export type ImageAnswer = z.infer<typeof imageAnswerSchema>;
