/** File system steps of the volume store in which a missing file is an answer and not a failure. */
import { createHash } from "node:crypto";
import { open, rename, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes renames and removals within a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file by one with this text, whole or not at all, by way of a file that is not there yet. */
export async function writeDurably(temporary: string, path: string, text: string): Promise<void> {
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Size in bytes; undefined when there is no file. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignoreMissing))?.size;
}

/** Time of the last change of content, ms since 1970; 0 when there is no file. */
export async function modifiedAtMs(path: string): Promise<number> {
  return (await stat(path).catch(ignoreMissing))?.mtimeMs ?? 0;
}

export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return await open(path, "r").catch(ignoreMissing);
}

/** Hex sha256 of a whole file; closes it. */
export async function hashOf(handle: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 })) {
      hash.update(chunk as Buffer);
    }
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}

export function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
