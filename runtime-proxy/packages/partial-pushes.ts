/** Packages that have come in part: kept on disk, so that a push goes on after its sender or this process was killed. */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { uploadLimitBytes } from "../../crds/wire/packages.ts";
import { countPassing } from "./buffer-garbage.ts";
import { ignoreMissing } from "./durable-files.ts";
import { PackageError } from "./package-error.ts";

/** Whose package, and which: `digest` is what it has to come to. */
export interface PushName {
  readonly namespace: string;
  readonly digest: string;
}

export interface PushPart extends PushName {
  /** Of the first byte that comes. */
  readonly offset: number;
  /** Of the whole package; absent: it is whole when the body ends. */
  readonly totalBytes?: number | undefined;
}

/** `path` has the whole package, unchecked. */
export type Received = { readonly isWhole: true; readonly path: string } | { readonly isWhole: false };

interface Receiving {
  /** Fails its body. */
  readonly stop: (reason: PackageError) => void;
  readonly ended: Promise<unknown>;
}

/** Nobody has gone on with it for so long: it is given up. */
const keptMs = 86_400_000;
/** Of all that waits to go on; the oldest makes place. */
const mostBytes = 1024 ** 3;

export class PartialPushes {
  readonly #directory: string;
  readonly #nowMs: () => number;
  readonly #receivingByFile = new Map<string, Receiving>();

  constructor(directory: string, nowMs: () => number) {
    this.#directory = directory;
    this.#nowMs = nowMs;
  }

  /** Of its beginning, bytes that are here. */
  async receivedBytes(name: PushName): Promise<number> {
    const found = await stat(this.#pathOf(name)).catch(ignoreMissing);
    return found?.size ?? 0;
  }

  /**
   * Who sends the same later goes on in place of the former, whose connection may be dead: `stop` fails the body. Rejects with what ends
   * that; what has come stays.
   */
  async receive(part: PushPart, body: AsyncIterable<Uint8Array>, stop: Receiving["stop"]): Promise<Received> {
    const path = this.#pathOf(part);
    const former = this.#receivingByFile.get(path);
    former?.stop(new PackageError("FetchFailed", "Cannot take the package: it is being sent anew"));
    const received = Promise.allSettled([former?.ended]).then(() => this.#append(path, part, body));
    const receiving: Receiving = { stop, ended: received };
    this.#receivingByFile.set(path, receiving);
    try {
      return await received;
    } finally {
      if (this.#receivingByFile.get(path) === receiving) this.#receivingByFile.delete(path);
    }
  }

  async remove(name: PushName): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
  }

  async #append(path: string, part: PushPart, body: AsyncIterable<Uint8Array>): Promise<Received> {
    await mkdir(this.#directory, { recursive: true });
    await this.#makeSpace(path);
    const handle = await open(path, part.offset === 0 ? "w" : "a");
    try {
      if ((await handle.stat()).size !== part.offset) return { isWhole: false };
      await writeAll(handle, part, body);
    } finally {
      await handle.close();
    }
    return { isWhole: true, path };
  }

  /** What nobody receives is given up when it is old, or too much. */
  async #makeSpace(wanted: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(this.#directory)).map(async (name) => {
        const path = join(this.#directory, name);
        const found = await stat(path).catch(ignoreMissing);
        return found === undefined ? [] : [{ path, bytes: found.size, atMs: found.mtimeMs }];
      }),
    );
    let bytes = 0;
    for (const file of files.flat().sort((a, b) => b.atMs - a.atMs)) {
      if (file.path === wanted || this.#receivingByFile.has(file.path)) continue;
      bytes += file.bytes;
      if (bytes > mostBytes || this.#nowMs() - file.atMs > keptMs) await rm(file.path, { force: true });
    }
  }

  /** In local mode the namespace is what the sender says. */
  #pathOf({ namespace, digest }: PushName): string {
    return join(this.#directory, createHash("sha256").update(`${namespace}/${digest}`).digest("hex"));
  }
}

async function writeAll(handle: FileHandle, part: PushPart, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { offset, totalBytes } = part;
  let bytes = offset;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > Math.min(totalBytes ?? Infinity, uploadLimitBytes))
      throw new PackageError("CodeTooLarge", "Cannot take the package: more came than was announced, or may come");
    await handle.writeFile(chunk);
    countPassing(chunk.length);
  }
  if (totalBytes === undefined || bytes === totalBytes) return;
  throw new PackageError("FetchFailed", `Cannot take the package: its sender broke off after ${bytes} bytes`);
}
