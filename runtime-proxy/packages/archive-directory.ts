/** The central directory of an archive, entry by entry checked. */
import * as yauzl from "yauzl";
import { invalidEntry, placeEntry, refuse, type EntryPlace } from "./archive-entry.ts";
import { invalidArchiveText, type ArchiveLimits } from "./archive-limits.ts";
import { ArchiveTree } from "./archive-tree.ts";
import { DirectoryReader } from "./directory-reader.ts";
import { PackageError } from "./package-error.ts";
import type { OpenFile } from "./read-file-range.ts";

export interface ArchiveEntry extends EntryPlace {
  /** As the archive spells it, for messages. */
  readonly name: string;
  readonly compression: "stored" | "deflated";
  readonly compressedBytes: number;
  /** What the header claims; reading fails when the content differs. */
  readonly uncompressedBytes: number;
  readonly crc32: number;
  readonly headerOffset: number;
  /** Where the next entry begins: this one's data must end before it. */
  readonly endOffset: number;
}

/** Bytes of a local header before name and extra field. Source: APPNOTE 4.3.7. */
export const localHeaderBytes = 30;

/** Throws PackageError for what is no archive or breaks a rule, errors of the file system as they are. */
export async function readEntries(handle: OpenFile, limits: ArchiveLimits): Promise<ArchiveEntry[]> {
  const tree = new ArchiveTree();
  const entries: Omit<ArchiveEntry, "endOffset">[] = [];
  try {
    const { size } = await handle.stat();
    const reader = new DirectoryReader(handle);
    const zip = await yauzl.fromRandomAccessReaderPromise(reader, size, { autoClose: false, decodeStrings: false });
    requireFew(zip.entryCount, limits);
    for await (const raw of zip.eachEntry()) {
      const entry = toEntry(raw);
      tree.add(entry, entry.name);
      entries.push(entry);
    }
    return withEnds(entries, zip.fileSize).filter(({ path }) => path !== "");
  } catch (error) {
    throw error instanceof PackageError ? error : broken(error);
  }
}

function requireFew(entries: number, limits: ArchiveLimits): void {
  if (entries <= limits.entries) return;
  throw new PackageError("CodeTooLarge", `Cannot unpack the archive: ${entries} entries, at most ${limits.entries}`);
}

function toEntry(raw: yauzl.Entry): Omit<ArchiveEntry, "endOffset"> {
  const host = raw.versionMadeBy >>> 8;
  const name = decodeName(raw, host);
  if (raw.isEncrypted()) throw invalidEntry(name, "it is encrypted");
  if (raw.compressionMethod !== 0 && raw.compressionMethod !== 8) {
    throw invalidEntry(name, `its compression method ${raw.compressionMethod} is not "stored" (0) or "deflated" (8)`);
  }
  const { uncompressedSize: uncompressedBytes, externalFileAttributes: externalAttributes } = raw;
  return {
    name,
    ...placeEntry({ name, host, externalAttributes, uncompressedBytes }),
    compression: raw.compressionMethod === 0 ? "stored" : "deflated",
    compressedBytes: raw.compressedSize,
    uncompressedBytes,
    crc32: raw.crc32,
    headerOffset: raw.relativeOffsetOfLocalHeader,
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Unix tools write UTF-8 without saying so; only what is not UTF-8 is taken for the code page of the specification. */
function decodeName(raw: yauzl.Entry, host: number): string {
  const decoded = yauzl.getFileNameLowLevel(raw.generalPurposeBitFlag, raw.fileNameRaw, raw.extraFields, true);
  if (host !== 3 && host !== 19) return decoded;
  try {
    return strictUtf8.decode(raw.fileNameRaw);
  } catch {
    return decoded;
  }
}

function withEnds(entries: readonly Omit<ArchiveEntry, "endOffset">[], archiveBytes: number): ArchiveEntry[] {
  const offsets = entries.map(({ headerOffset }) => headerOffset).sort((a, b) => a - b);
  const endByOffset = new Map<number, number>();
  offsets.forEach((offset, index) => {
    const next = offsets[index + 1] ?? archiveBytes;
    // Two entries of one place share their data: both end where they begin, and are refused.
    endByOffset.set(offset, endByOffset.has(offset) ? offset : next);
  });
  return entries.map((entry) => {
    const endOffset = endByOffset.get(entry.headerOffset) ?? archiveBytes;
    const leastEnd = entry.headerOffset + localHeaderBytes + entry.compressedBytes;
    if (leastEnd > endOffset) throw refuse(entry.name, "its data overlaps another entry's");
    return { ...entry, endOffset };
  });
}

/** What the zip library says about an archive that it cannot read; errors of the file system pass unchanged. */
function broken(error: unknown): unknown {
  if (!(error instanceof Error) || "code" in error) return error;
  return new PackageError("InvalidArchive", `${invalidArchiveText} ${error.message.slice(0, 300)}`, { cause: error });
}
