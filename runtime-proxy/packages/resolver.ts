import { createHash } from "node:crypto";
import type { ResolvedPackage, ResolveRequest } from "../../crds/wire/packages.ts";
import { archiveLimits, directUploadLimitBytes, zippedTooLargeText } from "./archive-limits.ts";
import { checkArchive } from "./archive.ts";
import { buildZip } from "./build-zip.ts";
import { codeSha256Of, hexOfDigest, parseSha256 } from "./digest.ts";
import { Limiter } from "./limiter.ts";
import { PackageError, quote } from "./package-error.ts";
import type { PackageFacts, PackageStore, StagedContent } from "./store.ts";

type Source = ResolveRequest["source"];

export interface FetchRequest {
  readonly url: string;
  /** Hex. */
  readonly sha256: string;
  readonly into: StagedContent;
}

export interface ResolverOptions {
  readonly store: PackageStore;
  /** Fills staged content from a url, digest checked; throws PackageError. */
  readonly fetchUrl: (request: FetchRequest) => Promise<void>;
  readonly nowMs: () => number;
  /** Sources that are fetched and checked at once; the others wait. */
  readonly atOnce: number;
}

/** Turns sources into digests: equal requests that meet share one fetch, and content that is there is not fetched again. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #limiter: Limiter;
  readonly #running = new Map<string, Promise<PackageFacts>>();

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#limiter = new Limiter(options.atOnce);
  }

  /** Throws PackageError; the namespace may read the content afterwards. */
  async resolve({ namespace, source }: ResolveRequest): Promise<ResolvedPackage> {
    const { store, nowMs } = this.#options;
    const facts = (await this.#findKnown(namespace, source)) ?? (await this.#share(source));
    if (!(await store.grant(facts.digest, namespace, nowMs()))) {
      throw new PackageError("StoreUnavailable", `Cannot keep package "${facts.digest}": it was removed meanwhile`);
    }
    const hex = hexOfDigest(facts.digest) ?? "";
    return { ...facts, codeSHA256: codeSha256Of(hex) };
  }

  /** Content named by its digest, if the namespace has it already: knowing a digest is no right to the content of others. */
  async #findKnown(namespace: string, source: Source): Promise<PackageFacts | undefined> {
    if (source.type !== "digest" && source.type !== "url") return undefined;
    const { store } = this.#options;
    const hex = source.type === "url" ? requireSha256(source.sha256) : parseSha256(source.digest);
    const digest = `sha256:${hex ?? ""}`;
    const holder = source.type === "digest" ? (source.of ?? namespace) : namespace;
    const isKnown = (await store.mayRead(digest, holder)) && (await store.verify(digest));
    const facts = isKnown ? await store.find(digest) : undefined;
    if (facts === undefined && source.type === "digest") {
      const message = `Cannot use digest ${quote(source.digest)}: namespace "${holder}" has no such package; push it first`;
      throw new PackageError("PackageNotFound", message);
    }
    return facts;
  }

  async #share(source: Source): Promise<PackageFacts> {
    const key = createHash("sha256").update(JSON.stringify(source)).digest("base64");
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const started = this.#limiter.run(() => this.#bringIn(source));
    this.#running.set(key, started);
    try {
      return await started;
    } finally {
      this.#running.delete(key);
    }
  }

  async #bringIn(source: Source): Promise<PackageFacts> {
    const staged = await this.#options.store.stage();
    try {
      await this.#fill(staged, source);
      return await this.#options.store.commit(staged, await checkArchive(staged.path, archiveLimits));
    } finally {
      await staged.discard();
    }
  }

  async #fill(staged: StagedContent, source: Source): Promise<void> {
    switch (source.type) {
      case "files": {
        await staged.write(await buildZip(decodeFiles(source.files, "utf8")));
        return;
      }
      case "binaryFiles": {
        await staged.write(await buildZip(decodeFiles(source.files, "base64")));
        return;
      }
      case "zip": {
        await staged.write(decodeZip(source.base64));
        return;
      }
      case "url": {
        await this.#options.fetchUrl({ url: source.url, sha256: requireSha256(source.sha256), into: staged });
        return;
      }
      case "digest":
        throw new TypeError("Cannot bring in a digest: it is found or not");
    }
  }
}

function decodeFiles(files: Readonly<Record<string, string>>, encoding: "utf8" | "base64"): Map<string, Buffer> {
  return new Map(
    Object.entries(files).map(([name, text]) => {
      if (encoding === "base64" && !isBase64(text)) {
        throw new PackageError("InvalidArchive", `Cannot read file ${quote(name)}: its content is not base64`, {
          entry: name,
        });
      }
      return [name, Buffer.from(text, encoding)];
    }),
  );
}

function decodeZip(base64: string): Buffer {
  if (!isBase64(base64)) throw new PackageError("InvalidArchive", "Cannot read the zip file: it is not base64");
  const zip = Buffer.from(base64, "base64");
  if (zip.length > directUploadLimitBytes) throw new PackageError("CodeTooLarge", zippedTooLargeText);
  return zip;
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text);
}

function requireSha256(sha256: string): string {
  const hex = parseSha256(sha256);
  if (hex !== undefined) return hex;
  const message = `Cannot use sha256 ${quote(sha256)}: neither 64 hex digits nor the base64 of 32 bytes`;
  throw new PackageError("SourceRefused", message);
}
