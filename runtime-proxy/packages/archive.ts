/** Reads zip archives that nobody has vouched for: every rule of packages is checked here, whoever asks. */
import { open } from "node:fs/promises";
import { constants, crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { localHeaderBytes, readEntries, type ArchiveEntry } from "./archive-directory.ts";
import { invalidEntry, refuse, safeLinkTarget } from "./archive-entry.ts";
import { archiveLimits, type ArchiveLimits } from "./archive-limits.ts";
import { findExtensionFiles } from "./extension-files.ts";
import { InflateBudget } from "./inflate-budget.ts";
import { PackageError } from "./package-error.ts";
import { readFully, readRange, type OpenFile } from "./read-file-range.ts";

const localHeaderSignature = 0x04034b50;
/**
 * Content up to these sizes is read and inflated in one step: most files of a package, and several times faster than a stream.
 * What is larger goes to zlib's threads in pieces: in one step it would leave so much garbage that memory follows the package's size.
 */
const wholeCompressedBytes = 64 * 1024;
const wholeInflatedBytes = 256 * 1024;
const linkTargetLimitBytes = 4096;
/** Local and central extra fields differ in length; so much more is read at once to find the data in one read. */
const extraAllowanceBytes = 64;
/** Of a buffer that serves for reading one small entry after another. */
export const scratchBytes = wholeCompressedBytes + 8192;

/** An open archive whose central directory has passed every check. Close it. */
export class Archive {
  readonly entries: readonly ArchiveEntry[];
  readonly #handle: OpenFile;
  readonly #links: ReadonlySet<string>;

  constructor(handle: OpenFile, entries: readonly ArchiveEntry[]) {
    this.#handle = handle;
    this.entries = entries;
    this.#links = new Set(entries.filter(({ kind }) => kind === "link").map(({ path }) => path));
  }

  /** The content, inflated and counted; throws PackageError when it is not what the header says. */
  async *read(entry: ArchiveEntry, budget: InflateBudget, scratch?: Buffer): AsyncGenerator<Buffer, void, undefined> {
    if (this.isSmall(entry)) yield await this.readWhole(entry, budget, scratch);
    else yield* this.#readStreamed(entry, budget);
  }

  /** Whether `readWhole` may be used: the content is small. */
  isSmall(entry: ArchiveEntry): boolean {
    return entry.compressedBytes <= wholeCompressedBytes && entry.uncompressedBytes <= wholeInflatedBytes;
  }

  /** With `scratch` the content may lie in it: until the next entry is read into it. */
  async readWhole(entry: ArchiveEntry, budget: InflateBudget, scratch?: Buffer): Promise<Buffer> {
    const compressed = await this.#readCompressed(entry, scratch);
    const content = entry.compression === "stored" ? compressed : inflateSmall(entry, compressed);
    budget.take(content.length);
    if (content.length !== entry.uncompressedBytes) throw damaged(entry, "its size differs from its header");
    if (crc32(content) !== entry.crc32) throw damaged(entry, "its checksum (CRC-32) differs");
    return content;
  }

  /** Target of a symbolic link as it may be written. */
  async readLink(entry: ArchiveEntry, budget: InflateBudget): Promise<string> {
    if (entry.uncompressedBytes > linkTargetLimitBytes || entry.compressedBytes > wholeCompressedBytes) {
      throw refuse(entry.name, `it is a symbolic link whose target is longer than ${linkTargetLimitBytes} bytes`);
    }
    const target = (await this.readWhole(entry, budget)).toString("utf8");
    return safeLinkTarget(entry.path, target, (path) => this.#links.has(path));
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #readCompressed(entry: ArchiveEntry, scratch?: Buffer): Promise<Buffer> {
    const guess = localHeaderBytes + Buffer.byteLength(entry.name) + extraAllowanceBytes + entry.compressedBytes;
    const wanted = Math.min(guess, Math.max(0, entry.endOffset - entry.headerOffset));
    const isRoomy = scratch !== undefined && scratch.length >= wanted;
    const buffer = isRoomy ? scratch.subarray(0, wanted) : Buffer.allocUnsafe(wanted);
    const bytes = await readFully(this.#handle, buffer, entry.headerOffset);
    const dataOffset = this.#dataOffset(entry, buffer.subarray(0, bytes));
    const start = dataOffset - entry.headerOffset;
    if (start + entry.compressedBytes <= bytes) return buffer.subarray(start, start + entry.compressedBytes);
    const data = Buffer.allocUnsafe(entry.compressedBytes);
    const dataBytes = await readFully(this.#handle, data, dataOffset);
    if (dataBytes < data.length) throw damaged(entry, "the archive is cut off within it");
    return data;
  }

  /** Where the data begins; throws when it would reach into the next entry, as in a bomb of overlapping entries. */
  #dataOffset(entry: ArchiveEntry, header: Buffer): number {
    if (header.length < localHeaderBytes || header.readUInt32LE(0) !== localHeaderSignature) {
      throw damaged(entry, "its local header is missing");
    }
    const offset = entry.headerOffset + localHeaderBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (offset + entry.compressedBytes > entry.endOffset) throw refuse(entry.name, "its data overlaps another entry's");
    return offset;
  }

  async *#readStreamed(entry: ArchiveEntry, budget: InflateBudget): AsyncGenerator<Buffer, void, undefined> {
    const header = Buffer.allocUnsafe(localHeaderBytes);
    const headerBytes = await readFully(this.#handle, header, entry.headerOffset);
    const start = this.#dataOffset(entry, header.subarray(0, headerBytes));
    const end = start + entry.compressedBytes;
    let bytes = 0;
    let checksum = 0;
    for await (const chunk of this.#inflate(entry, start, end)) {
      bytes += chunk.length;
      budget.take(chunk.length);
      if (bytes > entry.uncompressedBytes) throw damaged(entry, "it is longer than its header says");
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
    if (bytes !== entry.uncompressedBytes) throw damaged(entry, "it is shorter than its header says");
    if (checksum !== entry.crc32) throw damaged(entry, "its checksum (CRC-32) differs");
  }

  async *#inflate(entry: ArchiveEntry, start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    const raw = readRange(this.#handle, start, end);
    if (entry.compression === "stored") {
      yield* raw;
      return;
    }
    const inflate = createInflateRaw({ chunkSize: 64 * 1024, finishFlush: constants.Z_FINISH });
    const fed = feed(raw, inflate);
    try {
      for await (const chunk of inflate as AsyncIterable<Buffer>) yield chunk;
    } catch (cause) {
      if (cause instanceof PackageError) throw cause;
      throw damaged(entry, "its content cannot be inflated", cause);
    } finally {
      inflate.destroy();
      await fed;
    }
  }
}

/** Reads and checks the central directory; throws PackageError. */
export async function openArchive(path: string, limits: ArchiveLimits): Promise<Archive> {
  return await readArchive(await open(path, "r"), limits);
}

/** The same of a file that is open, which is closed when it is no archive. */
export async function readArchive(handle: OpenFile, limits: ArchiveLimits): Promise<Archive> {
  try {
    return new Archive(handle, await readEntries(handle, limits));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What the check of a whole archive finds. */
export interface CheckedArchive {
  /** What its files hold. */
  readonly unzippedBytes: number;
  /** Names of the files that run as extensions when it is a layer. */
  readonly extensions: readonly string[];
}

/** Checks a whole archive by inflating it to nowhere; throws PackageError. */
export async function checkArchive(path: string, limits: ArchiveLimits): Promise<CheckedArchive> {
  const archive = await openArchive(path, limits);
  try {
    const budget = new InflateBudget(limits.unzippedBytes);
    const targetByLink = new Map<string, string>();
    const scratch = Buffer.allocUnsafe(scratchBytes);
    let unzippedBytes = 0;
    for (const entry of archive.entries) {
      if (entry.kind === "link") targetByLink.set(entry.path, await archive.readLink(entry, budget));
      else if (entry.kind === "file")
        for await (const chunk of archive.read(entry, budget, scratch)) unzippedBytes += chunk.length;
    }
    return { unzippedBytes, extensions: findExtensionFiles(archive.entries, targetByLink) };
  } finally {
    await archive.close();
  }
}

/** The extensions of an archive that was checked before, by its directory alone: links count as files. None when it is damaged. */
export async function listExtensionFiles(path: string): Promise<readonly string[]> {
  try {
    const archive = await openArchive(path, archiveLimits);
    await archive.close();
    return findExtensionFiles(archive.entries, new Map());
  } catch (error) {
    if (error instanceof PackageError) return [];
    throw error;
  }
}

/** The header's size is the bound for zlib, so a lie costs no memory. A thread's turn costs more than inflating some KB. */
function inflateSmall(entry: ArchiveEntry, compressed: Buffer): Buffer {
  const bytes = Math.max(1, entry.uncompressedBytes);
  try {
    return inflateRawSync(compressed, { maxOutputLength: bytes, chunkSize: Math.max(64, bytes) });
  } catch (cause) {
    throw invalidEntry(entry.name, "its content cannot be inflated to the size that its header says", cause);
  }
}

/** Writes all chunks with back-pressure; ends early, and quietly, when the receiver is gone. */
async function feed(chunks: AsyncIterable<Buffer>, inflate: ReturnType<typeof createInflateRaw>): Promise<void> {
  const gone = new Promise<void>((resolve) => inflate.once("close", resolve));
  try {
    for await (const chunk of chunks) {
      if (inflate.destroyed) return;
      if (!inflate.write(chunk)) {
        await Promise.race([new Promise<void>((resolve) => inflate.once("drain", resolve)), gone]);
      }
    }
    if (!inflate.destroyed) inflate.end();
  } catch (error) {
    inflate.destroy(error as Error);
  }
}

function damaged(entry: ArchiveEntry, rule: string, cause?: unknown): PackageError {
  return invalidEntry(entry.name, rule, cause);
}
