import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** 16 hex digits that change when a file of the folders or one of the words does. */
export function sourceHash(folders: readonly string[], words: readonly string[] = []): string {
  const hash = createHash("sha256").update(JSON.stringify([...words, process.arch]));
  for (const folder of folders) {
    for (const file of filesBelow(folder))
      hash.update(relative(folder, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
