/** Reads one source with what the kubelet gave of a tenant's Secret, and sends it to the package store. */
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchDocumentSchema, fetchVariables, type FetchDocument, type FetchOutcome } from "../crds/wire/fetch.ts";
import { fetchArtifact } from "./fetch-artifact.ts";
import { readPullSecrets } from "./pull-secrets.ts";
import { routes } from "../crds/wire/routes.ts";
import { createAddressRules } from "./packages/address-rules.ts";
import type { BytesFetched, FetcherOptions } from "./packages/fetch-bytes.ts";
import type { OciFetchRequest } from "./packages/fetch-oci.ts";
import { createS3Fetcher } from "./packages/fetch-s3.ts";
import { createUrlFetcher } from "./packages/fetch-url.ts";
import { PackageError, quote } from "./packages/package-error.ts";
import { requireSha256 } from "./packages/resolver.ts";
import type { S3Credentials } from "./packages/s3-request.ts";
import { StagedFile } from "./packages/staged-file.ts";
import { uploadPackage } from "./packages/upload.ts";

export interface FetchOptions {
  readonly document: FetchDocument;
  /** What the kubelet has taken from the Secret: see `fetchVariables`. */
  readonly secrets: Readonly<Record<string, string | undefined>>;
  /** Files of the pull secret that the kubelet has mounted. */
  readonly pullSecretFiles?: readonly string[];
  /** PEM; beside the public authorities. */
  readonly registryCaBundle?: string | undefined;
  readonly packagesUrl: string;
  /** Read for every try, since the kubelet renews it. */
  readonly readToken: () => Promise<string>;
  /** For the bytes on their way. */
  readonly directory: string;
  /** Of the way to the source and to the store, ms; default 200: see FetcherOptions. */
  readonly firstWaitMs?: number;
  readonly signal?: AbortSignal;
}

/** Never rejects for what a source, a Secret or the store does. */
export async function fetchPackage(options: FetchOptions): Promise<FetchOutcome> {
  const staged = await StagedFile.create(join(options.directory, "package.zip"));
  try {
    const fetched = await fill(options, staged);
    const { known } = options.document;
    if (fetched.isUnchanged && known !== undefined) return { ok: true, ...known };
    const digest = await staged.finish();
    const way = async () => ({
      url: `${options.packagesUrl}${routes.packages}`,
      headers: { authorization: `Bearer ${(await options.readToken()).trim()}` },
    });
    const answer = await uploadPackage({ ...options, way, path: staged.path, digest });
    if (!answer.ok) return { ok: false, error: { code: answer.error.code, message: answer.error.message } };
    return { ok: true, digest, ...(fetched.revision !== undefined && { revision: fetched.revision }) };
  } catch (error) {
    if (!(error instanceof PackageError)) throw error;
    const { code, message, retryAfterMs } = error;
    return { ok: false, error: { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) } };
  } finally {
    await staged.discard();
  }
}

async function fill(
  options: FetchOptions,
  into: StagedFile,
): Promise<{ readonly isUnchanged: boolean; readonly revision?: string | undefined }> {
  const { document, secrets, firstWaitMs, signal } = options;
  const { source, network, known, secret } = document;
  const fetcher = {
    rules: createAddressRules(network),
    ...(firstWaitMs !== undefined && { firstWaitMs }),
    ...(signal !== undefined && { signal }),
  };
  if (source.type === "url") {
    const authorization = requireSecret(secrets, fetchVariables.authorization, `Secret ${quote(secret)} or its key`);
    const { url, sha256: text } = source;
    await createUrlFetcher(fetcher)({ url, sha256: requireSha256(text), into, authorization });
    return { isUnchanged: false };
  }
  const sha256 = source.sha256 === undefined ? undefined : requireSha256(source.sha256);
  const given = { sha256, into, known: known?.revision };
  const fetched =
    source.type === "oci"
      ? await fetchFromRegistry({ ...given, source }, fetcher, options)
      : await createS3Fetcher(fetcher)({ ...given, source, credentials: readCredentials(secrets, secret) });
  if (fetched.type === "unchanged") return { isUnchanged: true };
  return { isUnchanged: false, revision: fetched.validator };
}

async function fetchFromRegistry(
  wanted: Omit<OciFetchRequest, "stage">,
  fetcher: FetcherOptions,
  { document, directory, pullSecretFiles = [], registryCaBundle }: FetchOptions,
): Promise<BytesFetched> {
  const { secret: name, plainHttpHosts = [] } = document;
  const access = () => ({
    ...{ rules: fetcher.rules, privateHosts: [], plainHttpHosts },
    caBundle: registryCaBundle,
  });
  const stage = () => StagedFile.create(join(directory, randomUUID()));
  return await fetchArtifact({ ...wanted, stage }, { name, files: pullSecretFiles }, { ...fetcher, access });
}

function readCredentials(secrets: FetchOptions["secrets"], secret: string): S3Credentials {
  const read = (variable: string): string =>
    requireSecret(secrets, variable, `Secret ${quote(secret)} or its key ${quote(variable)}`);
  return {
    accessKeyId: read(fetchVariables.accessKeyId),
    secretAccessKey: read(fetchVariables.secretAccessKey),
    sessionToken: secrets[fetchVariables.sessionToken]?.trim() ?? undefined,
  };
}

/** What people put into a Secret often ends with a line break. */
function requireSecret(secrets: FetchOptions["secrets"], variable: string, title: string): string {
  const value = secrets[variable]?.trim() ?? "";
  if (value !== "") return value;
  throw new PackageError("SecretNotFound", `Cannot use ${title}: it is not there, or empty; waiting for it`);
}

/** A termination message has at most 4096 bytes; a message beyond this is cut. */
const longestMessage = 3000;

/** The outcome as a termination message; rejects only for what is no source's, Secret's or store's fault. */
export async function fetchPackageMessage(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  const read = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === "") throw new Error(`Cannot fetch: ${name} is not set`);
    return value;
  };
  const tokenFile = read(fetchVariables.tokenFile);
  const outcome = await fetchPackage({
    document: fetchDocumentSchema.parse(JSON.parse(read(fetchVariables.document))),
    secrets: env,
    pullSecretFiles: await readPullSecrets(env[fetchVariables.secretsDirectory] ?? ""),
    registryCaBundle: env[fetchVariables.registryCaBundle],
    packagesUrl: read(fetchVariables.packagesUrl),
    readToken: () => readFile(tokenFile, "utf8"),
    directory: await mkdtemp(join(tmpdir(), "fetch-")),
    signal,
  });
  return JSON.stringify(outcome.ok ? outcome : { ...outcome, error: cut(outcome.error) });
}

function cut<T extends { readonly message: string }>(error: T): T {
  // Of text, which may take up to 4 bytes a character.
  const bytes = Buffer.from(error.message);
  return bytes.length <= longestMessage
    ? error
    : { ...error, message: `${bytes.toString("utf8", 0, longestMessage)}…` };
}
