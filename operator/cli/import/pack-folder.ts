/** A folder as a zip: files with whether they are executable, and symbolic links; sorted and with one time stamp. */
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { ZipFile } from "yazl";

export interface FolderEntry {
  /** From the folder, with `/`. */
  readonly name: string;
  /** Of a link: where it points. */
  readonly content: Buffer;
  readonly kind: "file" | "executable" | "link";
}

/** Lambda's own limit: 250 MB unzipped. */
export const largestPackage = 250 * 1024 * 1024;
const mostFiles = 60_000;
/** Built from local parts: archives tell the time without a zone. */
const modified = new Date(1980, 0, 1);

/** Throws where the folder is too large to be a package, or has something that is neither a file, a folder nor a link. */
export async function readFolder(folder: string): Promise<readonly FolderEntry[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  if (found.length > mostFiles) throw new Error(`"${folder}" has more than ${mostFiles} files`);
  const entries: FolderEntry[] = [];
  let length = 0;
  for (const entry of found) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).replaceAll(sep, "/");
    if (!entry.isFile() && !entry.isSymbolicLink()) throw new Error(`"${path}" is neither a file nor a link`);
    const { size, mode } = entry.isFile() ? await stat(path) : { size: 0, mode: 0 };
    length += size;
    if (length > largestPackage) throw new Error(`"${folder}" is larger than ${largestPackage} bytes`);
    if (entry.isSymbolicLink()) entries.push({ name, content: Buffer.from(await readlink(path)), kind: "link" });
    else entries.push({ name, content: await readFile(path), kind: (mode & 0o111) === 0 ? "file" : "executable" });
  }
  if (entries.length === 0) throw new Error(`"${folder}" has no files`);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const modes = { file: 0o100644, executable: 0o100755, link: 0o120777 } as const;

export async function zipOf(entries: readonly FolderEntry[]): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, content, kind } of entries) {
    zip.addBuffer(content, name, { mtime: modified, mode: modes[kind], compress: true, forceDosTimestamp: true });
  }
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
