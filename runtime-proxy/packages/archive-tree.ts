import { refuse, type EntryPlace } from "./archive-entry.ts";

/** Sees to it that the entries of one archive do not contradict each other. */
export class ArchiveTree {
  /** Directories that only other entries' names imply are held as "implied". */
  readonly #kindByPath = new Map<string, EntryPlace["kind"] | "implied">();

  /** Throws PackageError when the path is taken, or leads through something that is no directory. */
  add({ path, kind }: EntryPlace, name: string): void {
    if (path === "") return;
    this.#addParents(path, name);
    const present = this.#kindByPath.get(path);
    if (present === undefined || (kind === "directory" && (present === "implied" || present === "directory"))) {
      this.#kindByPath.set(path, kind);
      return;
    }
    if (present === "implied") throw refuse(name, "other entries lie beneath it, but it is no directory");
    if (present !== kind) throw refuse(name, `its name is already that of a ${present}`);
    throw refuse(name, "its name occurs twice");
  }

  isLink(path: string): boolean {
    return this.#kindByPath.get(path) === "link";
  }

  #addParents(path: string, name: string): void {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const parent = path.slice(0, slash);
      const kind = this.#kindByPath.get(parent);
      if (kind === "file") throw refuse(name, "it lies beneath a file");
      if (kind === "link") throw refuse(name, "it lies beneath a symbolic link");
      // What is known has known parents.
      if (kind !== undefined) return;
      this.#kindByPath.set(parent, "implied");
    }
  }
}
