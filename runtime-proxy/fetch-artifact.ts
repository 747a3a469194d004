/** Reads an artifact with the pull secrets that the kubelet has mounted. */
import type { OciSource } from "../crds/wire/packages.ts";
import type { BytesFetched } from "./packages/fetch-bytes.ts";
import { createOciFetcher, type OciFetcherOptions, type OciFetchRequest } from "./packages/fetch-oci.ts";
import { PackageError, quote } from "./packages/package-error.ts";
import { findCredentials, type Credentials } from "./registry/credentials.ts";
import { parseImageReference } from "./registry/image-reference.ts";
import { RegistryError } from "./registry/registry-error.ts";

export interface PullSecret {
  readonly name: string;
  /** Text of its files. */
  readonly files: readonly string[];
}

/** Tries the credentials that match, one after another as the kubelet does, until one is taken; throws PackageError. */
export async function fetchArtifact(
  wanted: OciFetchRequest,
  secret: PullSecret,
  options: OciFetcherOptions,
): Promise<BytesFetched> {
  const fetchOci = createOciFetcher(options);
  let last = missing(wanted.source, secret);
  for (const credentials of matching(wanted.source, secret)) {
    try {
      return await fetchOci({ ...wanted, credentials });
    } catch (error) {
      const isRefused =
        error instanceof PackageError && (error.code === "SourceForbidden" || error.code === "SourceNotFound");
      if (!isRefused) throw error;
      last = error;
      await wanted.into.reset();
    }
  }
  throw last;
}

function matching({ reference }: OciSource, { files }: PullSecret): readonly Credentials[] {
  try {
    const { registry, repository } = parseImageReference(reference.replace(/^oci:\/\//, ""));
    return findCredentials(files, registry, repository);
  } catch (error) {
    throw error instanceof RegistryError ? new PackageError("SourceRefused", error.message) : error;
  }
}

function missing({ reference }: OciSource, { name, files }: PullSecret): PackageError {
  const title = `artifact ${quote(reference)}`;
  if (files.length > 0) {
    const why = `Secret ${quote(name)} has no credentials for its registry`;
    return new PackageError("SourceForbidden", `Cannot read ${title}: ${why}; add them, or name another pull secret`);
  }
  const message = `Cannot read ${title}: Secret ${quote(name)} is not there, or has no key ".dockerconfigjson"; waiting for it`;
  return new PackageError("SecretNotFound", message);
}
