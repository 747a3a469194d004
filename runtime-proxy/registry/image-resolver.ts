/** From an image's name to its digest and what it says of itself. Source: OCI distribution specification 1.1, "Pull". */
import type { ImageAnswer, ResolvedImage, ResolveImageRequest } from "../../crds/wire/images.ts";
import type { Credentials } from "./credentials.ts";
import { parseImageReference, pinnedReference, type ImageReference } from "./image-reference.ts";
import { pickManifest, readConfig, readManifest, type Architecture } from "./manifests.ts";
import { quote, RegistryError } from "./registry-error.ts";
import { RegistryHttp, type RegistryAccess } from "./registry-http.ts";
import { RegistrySession, type Manifest } from "./registry-session.ts";

export interface ImageLookup extends Omit<ResolveImageRequest, "namespace"> {
  readonly credentials?: Credentials | undefined;
}

export interface ImageResolverOptions extends RegistryAccess {
  /** For everything that one image takes, ms; default 60,000. */
  readonly deadlineMs?: number;
  /** Ends all that is under way. */
  readonly signal?: AbortSignal;
}

const configLimitBytes = 8 * 1024 * 1024;
const secretField = "podTemplate.spec.imagePullSecrets or in the ServiceAccount";

/** Looks an image up, once; what goes wrong is an answer. Anything unexpected is thrown. */
export async function lookUpImage(lookup: ImageLookup, options: ImageResolverOptions): Promise<ImageAnswer> {
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 60_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  const http = new RegistryHttp(options);
  try {
    const reference = parseImageReference(lookup.image);
    const title = `image ${quote(lookup.image)}`;
    const { credentials } = lookup;
    const session = new RegistrySession({ http, reference, credentials, title, secretField, signal });
    return await lookUp(session, lookup, { reference, title });
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const code = error.code === "DigestMismatch" ? "InvalidImage" : error.code;
    return { outcome: "failed", code, message: error.message };
  } finally {
    await http.close();
  }
}

async function lookUp(
  session: RegistrySession,
  lookup: ImageLookup,
  { reference, title }: { readonly reference: ImageReference; readonly title: string },
): Promise<ImageAnswer> {
  const { architecture, knownDigest } = lookup;
  if (knownDigest !== undefined && (await session.headDigest()) === knownDigest) return { outcome: "unchanged" };
  const named = await session.manifest();
  if (named.digest === knownDigest) return { outcome: "unchanged" };
  const own = await pickOwn(session, named, { title, architecture });
  const { configDigest, compressedBytes } = readManifest(title, own.value);
  const config = readConfig(title, await session.blob(configDigest, "configuration", configLimitBytes), architecture);
  const resolved: ResolvedImage = {
    reference: pinnedReference(reference, own.digest),
    digest: own.digest,
    namedDigest: named.digest,
    ...(reference.digest === undefined && { tag: reference.tag }),
    entryPoint: [...config.entryPoint],
    command: [...config.command],
    workingDirectory: config.workingDirectory,
    platform: config.platform,
    compressedBytes,
  };
  return { outcome: "resolved", image: resolved };
}

/** Of an index the manifest for the architecture, else what was named. Throws RegistryError. */
export async function pickOwn(
  session: RegistrySession,
  named: Manifest,
  { title, architecture }: { readonly title: string; readonly architecture: Architecture },
): Promise<Manifest> {
  if (!named.isIndex) return named;
  const own = await session.manifest(pickManifest(title, named.value, architecture));
  if (!own.isIndex) return own;
  throw new RegistryError("InvalidImage", `Cannot use ${title}: its index leads to another index`);
}
