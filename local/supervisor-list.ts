/** What a directory holds, for the agent, which has another file system. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type DirectoryListing, MAX_FRAME_BYTES } from "../crds/wire/supervisor.ts";

type Entry = DirectoryListing["entries"][number];

const maxEntries = 4096;
/** Keeps a listing within a frame, however its names have to be escaped. */
const maxBytes = MAX_FRAME_BYTES - 1024;
const entryBytes = 40;

/** In byte order of names, as much as an answer may hold. What is no directory, or not to be read, has no entries; a link counts as what it leads to. */
export function listDirectory(path: string): Entry[] {
  const listed: Entry[] = [];
  let left = maxBytes;
  for (const name of namesIn(path).slice(0, maxEntries)) {
    left -= entryBytes + Buffer.byteLength(JSON.stringify(name));
    if (left < 0) break;
    listed.push({ name, isDirectory: isDirectory(join(path, name)) });
  }
  return listed;
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  } catch {
    return [];
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
