/** What the central directory says of one entry becomes a name, a kind and a mode, or a refusal. No file is touched here. */
import { invalidArchiveText, namePartLimitBytes, nameLimitBytes } from "./archive-limits.ts";
import { PackageError, quote } from "./package-error.ts";

export type EntryKind = "file" | "directory" | "link";

export interface EntryHeader {
  /** As the archive spells it. */
  readonly name: string;
  /** Upper byte of "version made by": 3 is Unix, 19 macOS, 0 (FAT), 10 (NTFS) and 14 (VFAT) Windows. Source: APPNOTE 4.4.2. */
  readonly host: number;
  /** Unix mode in the upper half. Source: APPNOTE 4.4.15 and Info-ZIP. */
  readonly externalAttributes: number;
  readonly uncompressedBytes: number;
}

export interface EntryPlace {
  /** Relative to the target, parts joined by "/"; empty for the root itself. */
  readonly path: string;
  readonly kind: EntryKind;
  /** Permission bits only: 0–0o777. */
  readonly mode: number;
}

const typeMask = 0o170000;
const kindByType: Readonly<Record<number, EntryKind>> = { 0o040000: "directory", 0o100000: "file", 0o120000: "link" };
const nameByRefusedType: Readonly<Record<number, string>> = {
  0o010000: "a fifo",
  0o020000: "a character device",
  0o060000: "a block device",
  0o140000: "a socket",
};

/** Where and as what an entry is unpacked; throws PackageError when its name or type is unsafe. */
export function placeEntry(header: EntryHeader): EntryPlace {
  const spelled = spell(header);
  const path = safePath(spelled, header.name);
  const unixMode = header.externalAttributes >>> 16;
  const kind = kindOf(header, spelled, unixMode);
  if (path === "" && kind !== "directory") throw refuse(header.name, "it has no name");
  if (kind === "directory" && header.uncompressedBytes > 0) throw refuse(header.name, "it is a directory with content");
  const hasUnixMode = (header.host === 3 || header.host === 19) && unixMode !== 0;
  return { path, kind, mode: hasUnixMode ? unixMode & 0o777 : defaultMode(path, kind) };
}

/** Old tools on Windows separate directories by "\\", which the format forbids; elsewhere it is a character of a name. Source: APPNOTE 4.4.17.1. */
function spell({ name, host }: EntryHeader): string {
  return windowsHosts.has(host) ? name.replaceAll("\\", "/") : name;
}

const windowsHosts: ReadonlySet<number> = new Set([0, 10, 14]);

/** Parts joined by "/"; `name` is what messages say. Throws PackageError. */
export function safePath(spelled: string, name = spelled): string {
  if (name.includes("\0")) throw refuse(name, "its name has a NUL character");
  if (spelled.includes("\\")) throw refuse(name, "its name has a backslash; directories are separated by /");
  if (spelled.startsWith("/")) throw refuse(name, "its name is absolute");
  if (Buffer.byteLength(name) > nameLimitBytes) {
    throw refuse(name, `its name is longer than ${nameLimitBytes} bytes`);
  }
  const parts = spelled.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(name, 'its name has a ".." part');
  if (parts.some((part) => Buffer.byteLength(part) > namePartLimitBytes)) {
    throw refuse(name, `a part of its name is longer than ${namePartLimitBytes} bytes`);
  }
  return parts.join("/");
}

function kindOf({ name, uncompressedBytes }: EntryHeader, spelled: string, unixMode: number): EntryKind {
  const type = unixMode & typeMask;
  const refused = nameByRefusedType[type];
  if (refused !== undefined)
    throw refuse(name, `it is ${refused}; only files, directories and symbolic links are unpacked`);
  const isNamedAsDirectory = spelled.endsWith("/");
  if (type === 0) return isNamedAsDirectory ? "directory" : "file";
  const kind = kindByType[type];
  if (kind === undefined) throw refuse(name, `its file type ${type.toString(8)} is unknown`);
  // Some tools mark an empty directory as a file and rely on the slash.
  if (isNamedAsDirectory && kind === "file" && uncompressedBytes === 0) return "directory";
  if (isNamedAsDirectory && kind !== "directory") throw refuse(name, `it is a ${kind} with the name of a directory`);
  return kind;
}

function defaultMode(path: string, kind: EntryKind): number {
  const isExecutable = kind === "directory" || path === "bootstrap" || /^extensions\/[^/]+$/.test(path);
  return isExecutable ? 0o755 : 0o644;
}

/**
 * The target of a symbolic link as it may be written. ".." counts only at the beginning, where real directories stand:
 * behind a name it could lead out through another link, so such a target is written in its short form.
 */
export function safeLinkTarget(path: string, target: string, isLink: (path: string) => boolean): string {
  const escape = (rule: string): PackageError =>
    refuse(path, `it is a symbolic link to ${quote(target)}, which ${rule}`);
  if (target === "" || target.includes("\0")) throw escape("is no path");
  if (target.startsWith("/")) throw escape("is absolute; only relative links within the archive are kept");
  const place = path.split("/").slice(0, -1);
  let isShortened = false;
  let hasName = false;
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") {
      place.push(part);
      hasName = true;
      continue;
    }
    if (hasName && isLink(place.join("/"))) throw escape("goes up from within another link");
    if (place.pop() === undefined) throw escape("leads out of the archive");
    isShortened ||= hasName;
  }
  return isShortened ? relativeTo(path.split("/").slice(0, -1), place) : target;
}

function relativeTo(from: readonly string[], to: readonly string[]): string {
  let shared = 0;
  while (shared < from.length && shared < to.length && from[shared] === to[shared]) shared++;
  const parts = [...from.slice(shared).map(() => ".."), ...to.slice(shared)];
  return parts.length === 0 ? "." : parts.join("/");
}

export function refuse(name: string, rule: string): PackageError {
  return new PackageError("UnsafeArchiveEntry", `Cannot unpack entry ${quote(name)}: ${rule}`, { entry: name });
}

/** For an entry that is not safe or unsafe but wrong. */
export function invalidEntry(name: string, rule: string, cause?: unknown): PackageError {
  const message = `${invalidArchiveText} Entry ${quote(name)}: ${rule}`;
  return new PackageError("InvalidArchive", message, { entry: name, cause });
}
