/** Reads one layer of an image, a tar that nobody has vouched for: names and kinds to a list, content to a spool. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { constants, crc32, createGunzip, createZstdDecompress } from "node:zlib";
import { extract, type Extract, type Header } from "tar-stream";
import { refuse, safePath } from "./archive-entry.ts";
import { Gathered } from "./gathered.ts";
import { PackageError } from "./package-error.ts";
import type { Content, Layer, LayerEntry } from "./layer-tree.ts";
import type { StagedContent } from "./store.ts";

/** What bytes are, by how they begin. */
export type LayerForm = "zip" | "gzip" | "zstd" | "tar";

/** Bounds on all layers of one artifact together; they are counted down. */
export interface LayerBudget {
  /** Of the archives once decompressed. */
  bytes: number;
  entries: number;
  /** Of all names, bytes: they are held in memory. */
  nameBytes: number;
}

export interface LayerToRead {
  /** For messages: `layer 1 of artifact "…"`. */
  readonly title: string;
  readonly path: string;
  readonly form: Exclude<LayerForm, "zip">;
  /** Takes the content of its files, one after another. */
  readonly spool: StagedContent;
  readonly budget: LayerBudget;
}

const signatures: readonly (readonly [form: LayerForm, hex: string])[] = [
  ["zip", "504b0304"],
  // One without entries.
  ["zip", "504b0506"],
  ["gzip", "1f8b"],
  ["zstd", "28b52ffd"],
];

export async function layerForm(path: string): Promise<LayerForm> {
  const handle = await open(path, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const hex = buffer.subarray(0, bytesRead).toString("hex");
    return signatures.find(([, signature]) => hex.startsWith(signature))?.[0] ?? "tar";
  } finally {
    await handle.close();
  }
}

/** Throws PackageError. */
export async function readLayer(wanted: LayerToRead): Promise<Layer> {
  const layer = { entries: [] as LayerEntry[], hidden: [] as string[], opaque: [] as string[] };
  const archive = extract();
  const spool = new Gathered(wanted.spool, wanted.spool.bytes);
  const fed = feed(decompressed(wanted), archive);
  try {
    for await (const entry of archive) {
      await takeEntry(wanted.budget, spool, entry, layer);
      // What a directory or link has for content is nobody's.
      entry.resume();
    }
    await fed;
    await spool.flush();
  } catch (error) {
    throw toPackageError(error, wanted.title);
  } finally {
    archive.destroy(null);
    await fed.catch(() => undefined);
  }
  return layer;
}

type Source = Extract extends AsyncIterable<infer Item> ? Item : never;
/** As the library fills it in: without what is not there or not known. */
type SeenHeader = Omit<Header, "linkname" | "type"> & {
  readonly linkname: string | null;
  readonly type: Header["type"] | null;
};

async function takeEntry(
  budget: LayerBudget,
  spool: Gathered,
  entry: Source,
  layer: { readonly entries: LayerEntry[]; readonly hidden: string[]; readonly opaque: string[] },
): Promise<void> {
  const header: SeenHeader = entry.header;
  const path = pathOf(header);
  budget.nameBytes -= Buffer.byteLength(path) + Buffer.byteLength(header.linkname ?? "");
  if (--budget.entries < 0) throw new PackageError("CodeTooLarge", tooManyText);
  if (budget.nameBytes < 0) throw new PackageError("CodeTooLarge", longNamesText);
  const whiteout = readWhiteout(path, header.name);
  if (whiteout === "ignored") return;
  if (whiteout?.type === "opaque") layer.opaque.push(whiteout.path);
  else if (whiteout !== undefined) layer.hidden.push(whiteout.path);
  else layer.entries.push(await toEntry(header, path, () => spoolContent(entry, spool)));
}

function pathOf({ name }: SeenHeader): string {
  if (name.includes("\uFFFD")) throw refuse(name, "its name is not UTF-8");
  return safePath(name);
}

type Whiteout = { readonly type: "opaque" | "hidden"; readonly path: string } | "ignored" | undefined;

/** Source: OCI image specification 1.1, "Whiteouts"; other names with that prefix are AUFS' own, which Docker passes over. */
function readWhiteout(path: string, name: string): Whiteout {
  const slash = path.lastIndexOf("/");
  const last = path.slice(slash + 1);
  if (!last.startsWith(".wh.")) return undefined;
  const directory = path.slice(0, Math.max(slash, 0));
  if (last === ".wh..wh..opq") return { type: "opaque", path: directory };
  if (last.startsWith(".wh..wh.")) return "ignored";
  const hidden = last.slice(".wh.".length);
  if (hidden === "" || hidden === "." || hidden === "..") throw refuse(name, "it is a whiteout of no name");
  return { type: "hidden", path: directory === "" ? hidden : `${directory}/${hidden}` };
}

async function toEntry(header: SeenHeader, path: string, spooled: () => Promise<Content>): Promise<LayerEntry> {
  const { type, mode, linkname, pax, name } = header;
  if (Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse")))
    throw refuse(name, "it is a sparse file; make the archive without --sparse");
  switch (type) {
    case "file":
    case "contiguous-file":
      return { kind: "file", path, mode: mode & 0o777, content: await spooled() };
    case "directory":
      return { kind: "directory", path, mode: mode & 0o777 };
    case "symlink":
      return { kind: "link", path, target: linkname ?? "" };
    case "link":
      return { kind: "hardLink", path, target: safePath(linkname ?? "") };
    case "fifo":
    case "character-device":
    case "block-device":
      return { kind: "other", path, what: `a ${type.replace("-", " ")}` };
    default:
      return { kind: "other", path, what: "of a kind that is not known" };
  }
}

async function spoolContent(entry: Source, spool: Gathered): Promise<Content> {
  const offset = spool.bytes;
  let checksum = 0;
  for await (const chunk of entry as AsyncIterable<Buffer>) {
    checksum = crc32(chunk, checksum);
    await spool.write(chunk);
  }
  return { offset, bytes: spool.bytes - offset, crc32: checksum };
}

/** Larger windows of zstd would have to be held in memory: 2 to this power, bytes. */
const zstdWindowLog = 24;

async function* decompressed({ path, form, budget }: LayerToRead): AsyncGenerator<Buffer, void, undefined> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  const inflate =
    form === "gzip"
      ? createGunzip({ chunkSize: 64 * 1024 })
      : form === "zstd"
        ? createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } })
        : undefined;
  file.on("error", (error) => inflate?.destroy(error));
  const bytes: AsyncIterable<Buffer> = inflate === undefined ? file : file.pipe(inflate);
  try {
    for await (const chunk of bytes) {
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) throw new PackageError("CodeTooLarge", tooLargeText);
      yield chunk;
    }
  } finally {
    inflate?.destroy();
    file.destroy();
  }
}

/** Writes all chunks with back-pressure; ends early, and quietly, when the receiver is gone. */
async function feed(chunks: AsyncIterable<Buffer>, archive: Extract): Promise<void> {
  const gone = new Promise<void>((resolve) => archive.once("close", resolve));
  try {
    for await (const chunk of chunks) {
      if (archive.destroyed) return;
      if (!archive.write(chunk))
        await Promise.race([new Promise<void>((resolve) => archive.once("drain", resolve)), gone]);
    }
    archive.end(null);
  } catch (error) {
    archive.destroy(error as Error);
  }
}

export const layerLimits = { bytes: 524_288_000, entries: 200_000, nameBytes: 32 * 1024 * 1024 } as const;
const tooLargeText = `Cannot merge the layers: more than ${layerLimits.bytes} bytes of tar together`;
const tooManyText = `Cannot merge the layers: more than ${layerLimits.entries} entries together`;
const longNamesText = `Cannot merge the layers: their names are longer than ${layerLimits.nameBytes} bytes together`;

/** What the parser and the decompressors throw is about the bytes; what the disk does is not. */
function toPackageError(error: unknown, title: string): unknown {
  if (error instanceof PackageError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!(error instanceof Error) || /^E[A-Z]+$/.test(code)) return error;
  const message = `Cannot use ${title}: it is neither a zip nor a whole tar, plain or with gzip or zstd (${error.message.slice(0, 200)})`;
  return new PackageError("InvalidArchive", message, { cause: error });
}
