/** Fetches an artifact or image of a registry as a package: the one zip that it holds, or its tar layers merged to one. */
import type { OciSource } from "../../crds/wire/packages.ts";
import { readArtifact, type ArtifactLayer } from "../registry/artifact.ts";
import type { Credentials } from "../registry/credentials.ts";
import { parseImageReference } from "../registry/image-reference.ts";
import { pickOwn } from "../registry/image-resolver.ts";
import { quote, RegistryError, type RegistryErrorCode } from "../registry/registry-error.ts";
import { RegistryHttp, type RegistryAccess } from "../registry/registry-http.ts";
import { RegistrySession } from "../registry/registry-session.ts";
import { unzippedLimitBytes } from "./archive-limits.ts";
import { writeCanonicalZip } from "./canonical-zip.ts";
import { createBytesFetcher, type BytesFetched, type FetcherOptions, type Origin } from "./fetch-bytes.ts";
import { LayerTree } from "./layer-tree.ts";
import { PackageError } from "./package-error.ts";
import { layerForm, layerLimits, readLayer, type LayerBudget } from "./read-layer.ts";
import type { StagedContent } from "./store.ts";

export interface OciFetcherOptions extends FetcherOptions {
  /** Asked for each artifact: what it says may change. */
  readonly access: () => RegistryAccess;
}

export interface OciFetchRequest {
  readonly source: OciSource;
  /** Hex, of the package; absent: whatever is there is taken. */
  readonly sha256?: string | undefined;
  readonly into: StagedContent;
  /** Room for layers on their way. */
  readonly stage: () => Promise<StagedContent>;
  /** Absent: only what everybody may read. */
  readonly credentials?: Credentials | undefined;
  /** Digest that the reference named when what is known was read. */
  readonly known?: string | undefined;
}

/** Returns a function that fills staged content; it throws PackageError. The validator is the digest that the reference names. */
export function createOciFetcher(options: OciFetcherOptions): (request: OciFetchRequest) => Promise<BytesFetched> {
  return async (wanted) => {
    const deadline = AbortSignal.timeout(options.deadlineMs ?? 600_000);
    const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    const http = new RegistryHttp(options.access());
    try {
      return await fetchArtifact(wanted, { ...options, signal, http });
    } catch (error) {
      throw error instanceof RegistryError ? toPackageError(error) : error;
    } finally {
      await http.close();
    }
  };
}

interface Means extends FetcherOptions {
  readonly http: RegistryHttp;
  readonly signal: AbortSignal;
}

async function fetchArtifact(wanted: OciFetchRequest, means: Means): Promise<BytesFetched> {
  const { source, known, credentials, into, sha256 } = wanted;
  const { http, signal } = means;
  const title = `artifact ${quote(source.reference)}`;
  const reference = parseImageReference(source.reference.replace(/^oci:\/\//, ""));
  const session = new RegistrySession({ http, reference, credentials, title, secretField: "oci.pullSecret", signal });
  if (known !== undefined && (await session.headDigest()) === known) return { type: "unchanged" };
  const named = await session.manifest();
  if (named.digest === known) return { type: "unchanged" };
  const own = await pickOwn(session, named, { title, architecture: source.architecture });
  await bringLayers(wanted, readArtifact(title, own.value), { ...means, session, title });
  if (sha256 !== undefined && into.digest() !== `sha256:${sha256}`) {
    const message = `Cannot use ${title}: the sha256 of its package is ${into.digest().slice("sha256:".length)}, want ${sha256}`;
    throw new PackageError("DigestMismatch", message);
  }
  return { type: "fetched", validator: named.digest };
}

interface LayerMeans extends Means {
  readonly session: RegistrySession;
  readonly title: string;
}

async function bringLayers(
  { source, into, stage }: OciFetchRequest,
  layers: readonly ArtifactLayer[],
  means: LayerMeans,
): Promise<void> {
  const { title } = means;
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  if (bytes > unzippedLimitBytes) {
    const message = `Cannot fetch ${title}: its layers have ${bytes} bytes, more than ${unzippedLimitBytes}`;
    throw new PackageError("CodeTooLarge", message);
  }
  const [only] = layers;
  if (layers.length === 1 && only !== undefined) {
    await fetchLayer(only, into, means);
    if ((await layerForm(into.path)) === "zip") {
      requireNoPath(source, title);
      return;
    }
  }
  const tree = new LayerTree();
  const spool = await stage();
  try {
    const budget: LayerBudget = { ...layerLimits };
    for (const layer of layers)
      tree.apply(await readOne(layer, { stage, spool, budget, there: layers.length === 1 ? into : undefined }, means));
    await into.reset();
    await writeCanonicalZip(contentOf(tree, source, title), spool, into);
  } finally {
    await spool.discard();
  }
}

interface LayerRoom {
  readonly stage: () => Promise<StagedContent>;
  readonly spool: StagedContent;
  readonly budget: LayerBudget;
  /** Where the layer is already. */
  readonly there: StagedContent | undefined;
}

async function readOne(layer: ArtifactLayer, { stage, spool, budget, there }: LayerRoom, means: LayerMeans) {
  const title = `${layer.title} of ${means.title}`;
  const staged = there ?? (await stage());
  try {
    if (there === undefined) await fetchLayer(layer, staged, means);
    const form = await layerForm(staged.path);
    if (form !== "zip") return await readLayer({ title, path: staged.path, form, spool, budget });
    const message = `Cannot use ${title}: it is a zip, and not the only layer; push one zip alone, or tar layers`;
    throw new PackageError("InvalidArchive", message);
  } finally {
    if (there === undefined) await staged.discard();
  }
}

async function fetchLayer(layer: ArtifactLayer, into: StagedContent, means: LayerMeans): Promise<void> {
  const { session } = means;
  const origin: Origin = {
    title: `${layer.title} of ${means.title}`,
    sha256: layer.digest.slice("sha256:".length),
    promised: { bytes: layer.bytes },
    validator: layer.digest,
    request: async (_, headers) => await inPackageTerms(session.openBlob(layer.digest, headers)),
    continueAt: (start) => ({ range: `bytes=${start}-` }),
    refuse: async (answer) => toPackageError(await session.refusalOf(answer, layer.title)),
  };
  await createBytesFetcher(means)({ origin, into });
}

function requireNoPath({ path }: OciSource, title: string): void {
  if (path === undefined) return;
  const message = `Cannot take folder ${quote(path)} of ${title}: its package is a zip; oci.path is for tar layers`;
  throw new PackageError("SourceRefused", message);
}

function contentOf(tree: LayerTree, { path = "" }: OciSource, title: string) {
  const entries = tree.list(path);
  if (entries !== undefined && entries.length > 0) return entries;
  const there = (tree.list("") ?? []).filter(([name]) => !name.includes("/")).map(([name]) => quote(name));
  const names = there.length === 0 ? "nothing" : there.slice(0, 20).join(", ");
  const what = path === "" ? "its layers hold no files" : `its layers have no folder ${quote(path)}, or an empty one`;
  throw new PackageError("InvalidArchive", `Cannot use ${title}: ${what}; at the top there is ${names}`);
}

async function inPackageTerms<T>(step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw error instanceof RegistryError ? toPackageError(error) : error;
  }
}

/** A closed map from what registries do to what sources do. */
const packageCodes = {
  InvalidImageReference: "SourceRefused",
  ImageRefused: "SourceRefused",
  ImageNotFound: "SourceNotFound",
  ImageUnauthorized: "SourceForbidden",
  InvalidImage: "InvalidArchive",
  ImageArchitectureMismatch: "SourceRefused",
  DigestMismatch: "SourceCorrupt",
  RegistryUnreachable: "SourceUnreachable",
  FetchFailed: "FetchFailed",
  StoreUnavailable: "StoreUnavailable",
} as const satisfies Record<RegistryErrorCode, PackageError["code"]>;

function toPackageError(error: RegistryError): PackageError {
  const { code, message, retryAfterMs } = error;
  return new PackageError(packageCodes[code], message, { cause: error, retryAfterMs });
}
