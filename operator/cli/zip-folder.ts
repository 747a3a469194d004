/** A folder as a zip for pushing: sorted, one time stamp, and of modes only whether a file is executable, so that equal folders have equal digests. */
import { createWriteStream } from "node:fs";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";

/** Built from local parts: archives tell the time without a zone, so it reads the same everywhere. */
const mtime = new Date(1980, 0, 1);
const common = { mtime, forceDosTimestamp: true } as const;

export class FolderError extends Error {}

/** Throws FolderError for what a package cannot hold. */
export async function zipFolder(folder: string, target: string): Promise<void> {
  const zip = new ZipFile();
  const failed = new Promise<never>((_, reject) => zip.on("error", reject));
  const count = await addAll(zip, folder, "");
  if (count === 0) throw new FolderError(`Cannot push "${folder}": the folder is empty`);
  zip.end();
  await Promise.race([pipeline(zip.outputStream, createWriteStream(target, { mode: 0o600 })), failed]);
}

/** How many members the directory has. */
async function addAll(zip: ZipFile, root: string, directory: string): Promise<number> {
  const members = await readdir(join(root, directory), { withFileTypes: true });
  members.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const member of members) {
    const name = directory === "" ? member.name : `${directory}/${member.name}`;
    const path = join(root, name);
    if (member.isDirectory()) {
      if ((await addAll(zip, root, name)) === 0) zip.addEmptyDirectory(name, { ...common, mode: 0o040755 });
    } else if (member.isSymbolicLink()) {
      zip.addBuffer(Buffer.from(await readlink(path)), name, { ...common, mode: 0o120777, compress: false });
    } else if (member.isFile()) {
      const isExecutable = ((await stat(path)).mode & 0o100) !== 0;
      zip.addFile(path, name, { ...common, mode: isExecutable ? 0o100755 : 0o100644 });
    } else {
      throw new FolderError(`Cannot push "${path}": it is neither a file nor a folder nor a symbolic link`);
    }
  }
  return members.length;
}
