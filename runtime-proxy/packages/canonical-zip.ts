/** A tree as a zip that is the same, byte for byte, whenever the tree is: sorted, one time stamp, not compressed, since compressors change. */
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { ZipFile } from "yazl";
import { refuse } from "./archive-entry.ts";
import { unzippedLimitBytes, unzippedTooLargeText } from "./archive-limits.ts";
import { archiveTime } from "./build-zip.ts";
import type { Content, TreeNode } from "./layer-tree.ts";
import { PackageError } from "./package-error.ts";
import type { StagedContent } from "./store.ts";

/** Throws PackageError for what no package can hold. `spool` has the files' content. */
export async function writeCanonicalZip(
  entries: readonly (readonly [path: string, node: TreeNode])[],
  spool: StagedContent,
  into: StagedContent,
): Promise<void> {
  const bytes = entries.reduce((sum, [, node]) => sum + (node.kind === "file" ? node.content.bytes : 0), 0);
  if (bytes > unzippedLimitBytes) throw new PackageError("CodeTooLarge", unzippedTooLargeText);
  const handle = await open(spool.path, "r");
  try {
    const zip = new ZipFile();
    const failed = new Promise<never>((_, reject) => zip.on("error", reject));
    for (const [path, node] of entries) addNode(zip, { path, node, handle });
    zip.end();
    await Promise.race([drain(zip.outputStream as AsyncIterable<Buffer>, into), failed]);
  } finally {
    await handle.close();
  }
}

async function drain(chunks: AsyncIterable<Buffer>, into: StagedContent): Promise<void> {
  for await (const chunk of chunks) await into.write(chunk);
}

const options = { mtime: archiveTime, compress: false, forceDosTimestamp: true } as const;

function addNode(
  zip: ZipFile,
  { path, node, handle }: { readonly path: string; readonly node: TreeNode; readonly handle: FileHandle },
): void {
  switch (node.kind) {
    case "directory":
      zip.addEmptyDirectory(path, { mtime: archiveTime, mode: 0o040000 | node.mode, forceDosTimestamp: true });
      return;
    case "link":
      zip.addBuffer(Buffer.from(node.target), path, { ...options, mode: 0o120777 });
      return;
    case "file":
      addFile(zip, path, { ...node, handle });
      return;
    case "other":
      throw refuse(path, `it is ${node.what}; only files, directories and symbolic links are unpacked`);
  }
}

function addFile(
  zip: ZipFile,
  path: string,
  { mode: bits, content, handle }: { readonly mode: number; readonly content: Content; readonly handle: FileHandle },
): void {
  const mode = 0o100000 | bits;
  if (content.bytes === 0) {
    zip.addBuffer(Buffer.alloc(0), path, { ...options, mode });
    return;
  }
  const range = { fd: handle.fd, autoClose: false, start: content.offset, end: content.offset + content.bytes - 1 };
  zip.addReadStreamLazy(path, { ...options, mode, size: content.bytes }, (take) => {
    take(null, createReadStream("", range));
  });
}
