/** A directory that archives are unpacked into, one after another: same directories merge, and what comes later wins. */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Writes beneath its root only, and through no symbolic link: every directory on the way was seen or made as a real one, files and
 * links are made new. Steps are synchronous, since a package is thousands of small files and nothing else runs meanwhile.
 */
export class MergeTarget {
  readonly #root: string;
  readonly #directories = new Set<string>();

  /** The root must be there. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a directory with all that lead to it; a file or link in its place goes. The owner may always change what is in it. */
  addDirectory(path: string, mode?: number): void {
    if (path === "") return;
    if (!this.#directories.has(path)) {
      this.addDirectory(parentOf(path));
      this.#makeDirectory(join(this.#root, path));
      this.#directories.add(path);
    }
    if (mode !== undefined) chmodSync(join(this.#root, path), mode | 0o700);
  }

  addLink(path: string, target: string): void {
    this.addDirectory(parentOf(path));
    this.#replacing(path, () => symlinkSync(target, join(this.#root, path)));
  }

  addFile(path: string, mode: number, content: Uint8Array): void {
    const file = this.#createFile(path);
    try {
      for (let written = 0; written < content.length;) written += writeSync(file, content, written);
      fchmodSync(file, mode);
    } finally {
      closeSync(file);
    }
  }

  async addLargeFile(path: string, mode: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    closeSync(this.#createFile(path));
    const file = await open(join(this.#root, path), constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      for await (const chunk of chunks) {
        for (let written = 0; written < chunk.length;) written += (await file.write(chunk, written)).bytesWritten;
      }
      await file.chmod(mode);
    } finally {
      await file.close();
    }
  }

  #createFile(path: string): number {
    this.addDirectory(parentOf(path));
    return this.#replacing(path, () => openSync(join(this.#root, path), createFlags, 0o600));
  }

  #makeDirectory(path: string): void {
    const present = lstatSync(path, { throwIfNoEntry: false });
    if (present?.isDirectory() === true) {
      // Left by an earlier run, perhaps with a mode that keeps us out.
      if ((present.mode & 0o700) !== 0o700) chmodSync(path, (present.mode & 0o777) | 0o700);
      return;
    }
    if (present !== undefined) unlinkSync(path);
    mkdirSync(path);
    chmodSync(path, 0o755);
  }

  #replacing<T>(path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EEXIST") throw error;
      this.#remove(path);
      return make();
    }
  }

  #remove(path: string): void {
    const full = join(this.#root, path);
    if (!lstatSync(full).isDirectory()) {
      unlinkSync(full);
      return;
    }
    rmSync(full, { recursive: true });
    for (const directory of this.#directories) {
      if (directory === path || directory.startsWith(`${path}/`)) this.#directories.delete(directory);
    }
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}
