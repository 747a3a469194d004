/** Looks one image up with the pull secrets that the kubelet has mounted. */
import {
  FETCH_MESSAGE_BYTES,
  imageFetchVariables,
  resolveImageRequestSchema,
  type ImageAnswer,
  type ResolveImageRequest,
} from "../crds/wire/images.ts";
import { tenantRanges } from "../crds/wire/fetch.ts";
import { createAddressRules } from "./packages/address-rules.ts";
import { readPullSecrets } from "./pull-secrets.ts";
import { findCredentials, type Credentials } from "./registry/credentials.ts";
import { parseImageReference } from "./registry/image-reference.ts";
import { lookUpImage, type ImageResolverOptions } from "./registry/image-resolver.ts";
import { quote } from "./registry/registry-error.ts";

/** Tries the credentials that match, one after another as the kubelet does, until one is taken. */
export async function fetchImage(
  request: ResolveImageRequest,
  files: readonly string[],
  registries: ImageResolverOptions,
): Promise<ImageAnswer> {
  const { image, architecture, knownDigest } = request;
  const lookup = { image, architecture, ...(knownDigest !== undefined && { knownDigest }) };
  let last = missing(request, files.length);
  for (const credentials of matchingCredentials(image, files)) {
    last = await lookUpImage({ ...lookup, credentials }, registries);
    const isRefused = last.outcome === "failed" && (last.code === "ImageUnauthorized" || last.code === "ImageNotFound");
    if (!isRefused) return last;
  }
  return last;
}

/** The answer as a termination message holds it; what is too long for that is an answer too. */
export function formatFetchMessage(answer: ImageAnswer): string {
  const text = JSON.stringify(answer);
  if (Buffer.byteLength(text) <= FETCH_MESSAGE_BYTES) return text;
  const image = answer.outcome === "resolved" ? answer.image.reference : "";
  const message = `Cannot use image ${quote(image)}: its ENTRYPOINT and CMD are longer than a pod can tell (${FETCH_MESSAGE_BYTES} bytes); put them into a script of the image`;
  return JSON.stringify({ outcome: "failed", code: "InvalidImage", message } satisfies ImageAnswer);
}

/** Always ends well: what went wrong is in the answer, which is a termination message. */
export async function fetchImageMessage(env: NodeJS.ProcessEnv): Promise<string> {
  return formatFetchMessage(await answerFor(env));
}

async function answerFor(env: NodeJS.ProcessEnv): Promise<ImageAnswer> {
  try {
    const request = resolveImageRequestSchema.parse(JSON.parse(env[imageFetchVariables.request] ?? ""));
    const files = await readPullSecrets(env[imageFetchVariables.secretsDirectory] ?? "");
    return await fetchImage(request, files, {
      rules: createAddressRules({ allowedCIDRs: tenantRanges, deniedCIDRs: [] }),
      privateHosts: [],
      plainHttpHosts: (env[imageFetchVariables.plainHttpHosts] ?? "").split(",").filter((host) => host !== ""),
      caBundle: env[imageFetchVariables.registryCaBundle],
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { outcome: "failed", code: "FetchFailed", message: `Cannot read the image: ${why.slice(0, 1000)}` };
  }
}

/** The package store has taken the name before. */
function matchingCredentials(image: string, files: readonly string[]): readonly Credentials[] {
  const { registry, repository } = parseImageReference(image);
  return findCredentials(files, registry, repository);
}

function missing({ image }: ResolveImageRequest, count: number): ImageAnswer {
  const why = count === 0 ? "no pull secret that it names is there" : "no pull secret has credentials for its registry";
  const message = `Cannot read image ${quote(image)}: the registry wants credentials, and ${why}`;
  return { outcome: "failed", code: "ImageUnauthorized", message };
}
