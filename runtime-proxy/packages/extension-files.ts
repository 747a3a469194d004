/** Which files of a layer the platform starts as extensions. Source: extensions-api.md 2, discovery. */
import type { EntryPlace } from "./archive-entry.ts";

const directory = "extensions/";
/** A function runs ten at most; more names than this tell nobody anything. */
const mostNames = 64;
/** Links that lead to links. Source: Linux, ELOOP. */
const mostLinks = 40;

/** Names of what stands directly in `extensions/` and is no directory, in byte order; a link counts as what it leads to within the archive. */
export function findExtensionFiles(
  entries: readonly Pick<EntryPlace, "path" | "kind">[],
  targetByLink: ReadonlyMap<string, string>,
): string[] {
  const directories = directoriesOf(entries);
  return entries
    .filter(({ path, kind }) => kind !== "directory" && path.startsWith(directory))
    .map(({ path }) => path.slice(directory.length))
    .filter((name) => !name.includes("/") && !directories.has(follow(directory + name, targetByLink)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .slice(0, mostNames);
}

function directoriesOf(entries: readonly Pick<EntryPlace, "path" | "kind">[]): ReadonlySet<string> {
  const directories = new Set([""]);
  for (const { path, kind } of entries) {
    if (kind === "directory") directories.add(path);
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      directories.add(path.slice(0, slash));
    }
  }
  return directories;
}

function follow(path: string, targetByLink: ReadonlyMap<string, string>): string {
  let place = path;
  for (let links = 0; links < mostLinks; links++) {
    const target = targetByLink.get(place);
    if (target === undefined) return place;
    const parts = place.split("/").slice(0, -1);
    for (const part of target.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    place = parts.join("/");
  }
  return path;
}
