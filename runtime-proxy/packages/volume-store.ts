/** A package store on a directory, which one process writes at a time. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { listExtensionFiles } from "./archive.ts";
import { hexOfDigest } from "./digest.ts";
import {
  hashOf,
  ignoreMissing,
  modifiedAtMs,
  openIfThere,
  sizeOf,
  syncDirectory,
  writeDurably,
} from "./durable-files.ts";
import { findMissing } from "./missing.ts";
import { streamVerified } from "./read-verified.ts";
import { StagedFile } from "./staged-file.ts";
import type { ByteRange, CollectReport, PackageFacts, PackageStore, StagedContent } from "./store.ts";

/** Beside the content as JSON: content without it is not visible. */
interface Metadata {
  readonly zippedBytes: number;
  readonly unzippedBytes: number;
  readonly extensions: readonly string[];
  /** Namespace that may read → when it last asked, ms since 1970. */
  readonly namespaces: Readonly<Record<string, number>>;
}

interface Paths {
  readonly content: string;
  readonly metadata: string;
}

export interface VolumeStoreOptions {
  readonly directory: string;
  /** Told of content that was damaged and moved aside. */
  readonly onDamaged?: (digest: string) => void;
}

/**
 * Opens or makes a store: `objects/<2 hex>/<hex>.zip` and `.json`, `staging` for what is on its way in, `damaged` for what was
 * moved aside. What an earlier process left half-written is removed.
 */
export async function openVolumeStore({ directory, onDamaged }: VolumeStoreOptions): Promise<PackageStore> {
  const store = new VolumeStore(directory, onDamaged ?? (() => undefined));
  await store.prepare();
  return store;
}

class VolumeStore implements PackageStore {
  readonly #directory: string;
  readonly #onDamaged: (digest: string) => void;
  readonly #metadataByHex = new Map<string, Metadata>();
  /** The last change of each object: changes of one object follow each other. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #id = "";

  constructor(directory: string, onDamaged: (digest: string) => void) {
    this.#directory = directory;
    this.#onDamaged = onDamaged;
  }

  get id(): string {
    return this.#id;
  }

  async prepare(): Promise<void> {
    await rm(this.#path("staging"), { recursive: true, force: true });
    for (const name of ["staging", "objects", "damaged"]) await mkdir(this.#path(name), { recursive: true });
    this.#id = await this.#readId();
    for (const shard of await readdir(this.#path("objects"))) {
      for (const file of await readdir(this.#path("objects", shard))) await this.#load(shard, file);
    }
  }

  async stage(): Promise<StagedContent> {
    return await StagedFile.create(this.#path("staging", `${randomUUID()}.zip`));
  }

  async commit(
    staged: StagedContent,
    { unzippedBytes, extensions }: Pick<PackageFacts, "unzippedBytes" | "extensions">,
  ): Promise<PackageFacts> {
    if (!(staged instanceof StagedFile)) throw new TypeError("Cannot commit content that this store did not stage");
    const digest = await staged.finish();
    const hex = requireHex(digest);
    return await this.#change(hex, async () => {
      const known = this.#metadataByHex.get(hex);
      if (known !== undefined && (await this.#isIntact(hex))) return toFacts(digest, known);
      const { content } = this.#pathsOf(hex);
      await mkdir(join(content, ".."), { recursive: true });
      await rename(staged.path, content);
      const metadata = { zippedBytes: staged.bytes, unzippedBytes, extensions, namespaces: known?.namespaces ?? {} };
      // Content first: metadata is what makes it visible.
      await syncDirectory(join(content, ".."));
      await syncDirectory(this.#path("objects"));
      await this.#writeMetadata(hex, metadata);
      return toFacts(digest, metadata);
    });
  }

  async find(digest: string): Promise<PackageFacts | undefined> {
    const hex = hexOfDigest(digest);
    const metadata = hex === undefined ? undefined : this.#metadataByHex.get(hex);
    if (hex === undefined || metadata === undefined) return undefined;
    const bytes = await sizeOf(this.#pathsOf(hex).content);
    if (bytes === metadata.zippedBytes) return toFacts(digest, metadata);
    await this.#change(hex, () => this.#moveAside(hex));
    return undefined;
  }

  async verify(digest: string): Promise<boolean> {
    const hex = hexOfDigest(digest);
    if (hex === undefined) return false;
    return await this.#change(hex, () => this.#isIntact(hex));
  }

  async grant(digest: string, namespace: string, nowMs: number): Promise<boolean> {
    const hex = hexOfDigest(digest);
    if (hex === undefined) return false;
    return await this.#change(hex, async () => {
      const metadata = this.#metadataByHex.get(hex);
      if (metadata === undefined) return false;
      // What was promised for longer stays promised.
      const atMs = Math.max(nowMs, metadata.namespaces[namespace] ?? 0);
      await this.#writeMetadata(hex, { ...metadata, namespaces: { ...metadata.namespaces, [namespace]: atMs } });
      return true;
    });
  }

  mayRead(digest: string, namespace: string): Promise<boolean> {
    return Promise.resolve(this.#isReadable(digest, namespace));
  }

  async read(digest: string, range?: ByteRange): Promise<Readable | undefined> {
    const facts = await this.find(digest);
    const hex = hexOfDigest(digest);
    if (facts === undefined || hex === undefined) return undefined;
    const handle = await openIfThere(this.#pathsOf(hex).content);
    if (handle === undefined) return undefined;
    // Looked at again when it seems damaged, since it may have been replaced meanwhile.
    const onDamaged = () => this.#change(hex, () => this.#isIntact(hex));
    return streamVerified(hex, handle, range ?? { start: 0, end: facts.zippedBytes - 1 }, onDamaged);
  }

  async collect(
    references: ReadonlyMap<string, ReadonlySet<string>>,
    graceMs: number,
    nowMs: number,
  ): Promise<CollectReport> {
    const report = { removed: 0, removedBytes: 0, kept: 0 };
    for (const hex of [...this.#metadataByHex.keys()]) {
      const bytes = await this.#change(hex, () => this.#collectOne(hex, references, nowMs - graceMs));
      if (bytes === undefined) report.kept++;
      else report.removed++;
      report.removedBytes += bytes ?? 0;
    }
    return { ...report, missing: findMissing(references, (digest, namespace) => this.#isReadable(digest, namespace)) };
  }

  /** Bytes removed; undefined when the object stays. */
  async #collectOne(
    hex: string,
    references: ReadonlyMap<string, ReadonlySet<string>>,
    olderThanMs: number,
  ): Promise<number | undefined> {
    const metadata = this.#metadataByHex.get(hex);
    if (metadata === undefined) return 0;
    const digest = `sha256:${hex}`;
    const namespaces = Object.entries(metadata.namespaces).filter(
      ([namespace, atMs]) => atMs > olderThanMs || references.get(namespace)?.has(digest) === true,
    );
    const { content } = this.#pathsOf(hex);
    const isNew = namespaces.length === 0 && (await modifiedAtMs(content)) > olderThanMs;
    if (namespaces.length > 0 || isNew) {
      const isChanged = namespaces.length !== Object.keys(metadata.namespaces).length;
      if (isChanged) await this.#writeMetadata(hex, { ...metadata, namespaces: Object.fromEntries(namespaces) });
      return undefined;
    }
    await this.#forget(hex);
    await rm(content, { force: true });
    return metadata.zippedBytes;
  }

  #isReadable(digest: string, namespace: string): boolean {
    const metadata = this.#metadataByHex.get(hexOfDigest(digest) ?? "");
    return metadata !== undefined && Object.hasOwn(metadata.namespaces, namespace);
  }

  /** Made with the directory. */
  async #readId(): Promise<string> {
    const path = this.#path("id");
    const known = await readFile(path, "utf8").catch(ignoreMissing);
    if (known !== undefined && known !== "") return known;
    const id = randomUUID();
    await writeDurably(this.#path("staging", `${id}.id`), path, id);
    return id;
  }

  async #load(shard: string, file: string): Promise<void> {
    const path = this.#path("objects", shard, file);
    const [, hex, kind] = /^([0-9a-f]{64})\.(zip|json)$/.exec(file) ?? [];
    if (hex === undefined) {
      await rm(path, { force: true, recursive: true });
      return;
    }
    const { content, metadata } = this.#pathsOf(hex);
    if (kind === "zip") {
      // Renamed, but killed before it became visible.
      if ((await sizeOf(metadata)) === undefined) await rm(content, { force: true });
      return;
    }
    const parsed = await parseMetadata(await readFile(path, "utf8"), content);
    if (parsed !== undefined && (await sizeOf(content)) !== undefined) this.#metadataByHex.set(hex, parsed);
    else await rm(path, { force: true });
  }

  async #isIntact(hex: string): Promise<boolean> {
    const handle = this.#metadataByHex.has(hex) ? await openIfThere(this.#pathsOf(hex).content) : undefined;
    const isIntact = handle !== undefined && (await hashOf(handle)) === hex;
    if (!isIntact && this.#metadataByHex.has(hex)) await this.#moveAside(hex);
    return isIntact;
  }

  /** Keeps damaged content for whoever wants to know why, and forgets it. */
  async #moveAside(hex: string): Promise<void> {
    if (!this.#metadataByHex.has(hex)) return;
    await this.#forget(hex);
    const aside = this.#path("damaged", `${hex}.zip`);
    await rename(this.#pathsOf(hex).content, aside).catch(ignoreMissing);
    this.#onDamaged(`sha256:${hex}`);
  }

  async #forget(hex: string): Promise<void> {
    this.#metadataByHex.delete(hex);
    const { metadata } = this.#pathsOf(hex);
    await rm(metadata, { force: true });
    await syncDirectory(join(metadata, ".."));
  }

  async #writeMetadata(hex: string, metadata: Metadata): Promise<void> {
    const path = this.#pathsOf(hex).metadata;
    await writeDurably(this.#path("staging", `${randomUUID()}.json`), path, JSON.stringify(metadata));
    this.#metadataByHex.set(hex, metadata);
  }

  async #change<T>(hex: string, step: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(hex) ?? Promise.resolve();
    const now = before.then(step, step);
    this.#changes.set(hex, now);
    try {
      return await now;
    } finally {
      if (this.#changes.get(hex) === now) this.#changes.delete(hex);
    }
  }

  #pathsOf(hex: string): Paths {
    const stem = this.#path("objects", hex.slice(0, 2), hex);
    return { content: `${stem}.zip`, metadata: `${stem}.json` };
  }

  #path(...names: string[]): string {
    return join(this.#directory, ...names);
  }
}

function toFacts(digest: string, { zippedBytes, unzippedBytes, extensions }: Metadata): PackageFacts {
  return { digest, zippedBytes, unzippedBytes, extensions };
}

function requireHex(digest: string): string {
  const hex = hexOfDigest(digest);
  if (hex === undefined) throw new TypeError(`Cannot use digest "${digest}": not sha256:<64 hex digits>`);
  return hex;
}

/** What an earlier release kept says nothing of extensions: then the archive itself does. */
async function parseMetadata(text: string, content: string): Promise<Metadata | undefined> {
  try {
    const value = JSON.parse(text) as Partial<Metadata> | null;
    if (typeof value?.zippedBytes !== "number" || typeof value.unzippedBytes !== "number") return undefined;
    const { zippedBytes, unzippedBytes, namespaces = {} } = value;
    const extensions = value.extensions ?? (await listExtensionFiles(content));
    return { zippedBytes, unzippedBytes, extensions, namespaces };
  } catch {
    return undefined;
  }
}
