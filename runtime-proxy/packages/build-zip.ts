import { Buffer } from "node:buffer";
import { ZipFile } from "yazl";
import { placeEntry } from "./archive-entry.ts";
import { ArchiveTree } from "./archive-tree.ts";
import { PackageError } from "./package-error.ts";

/** Built from local parts: archives tell the time without a zone, so it reads the same everywhere. */
const modified = new Date(1980, 0, 1);

/**
 * Files (name → content) as a zip that is the same, byte for byte, whenever the content is: sorted, one time stamp, not compressed,
 * since compressors change. Executable is what begins with `#!`, and what an archive without modes would have so.
 * Throws PackageError for names that could not be unpacked.
 */
export async function buildZip(contentByName: ReadonlyMap<string, Buffer>): Promise<Buffer> {
  if (contentByName.size === 0) throw new PackageError("InvalidArchive", "Cannot build a package: there are no files");
  const zip = new ZipFile();
  const tree = new ArchiveTree();
  const names = [...contentByName.keys()].sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    const content = contentByName.get(name) ?? Buffer.alloc(0);
    const place = placeEntry({ name, host: 0, externalAttributes: 0, uncompressedBytes: content.length });
    if (place.kind !== "file")
      throw new PackageError("UnsafeArchiveEntry", `Cannot build a package: "${name}" is no file name`);
    tree.add(place, name);
    const isScript = content.subarray(0, 2).toString("latin1") === "#!";
    const mode = 0o100000 | (isScript ? 0o755 : place.mode);
    zip.addBuffer(content, place.path, { mtime: modified, mode, compress: false, forceDosTimestamp: true });
  }
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
