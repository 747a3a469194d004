/** Zips that packages are measured with, made once and kept. */
import { createWriteStream, existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ZipFile } from "yazl";
import { seededRandom } from "../seeded-random.ts";

export interface ZipShape {
  readonly name: string;
  readonly files: number;
  /** Of one file. */
  readonly bytes: number;
  /** Of a file's bytes, the part that is random; the rest compresses away. */
  readonly randomShare: number;
}

/** 50 MB zipped, 150 MB unzipped: what a folder of node_modules is like. */
export const manyFiles: ZipShape = { name: "many-files", files: 5000, bytes: 30_000, randomShare: 0.33 };
/** Just within Lambda's bound, zipped and unzipped. */
export const largest: ZipShape = { name: "largest", files: 500, bytes: 520_000, randomShare: 1 };
export const smallest: ZipShape = { name: "smallest", files: 1, bytes: 1000, randomShare: 1 };

/** The zip's path. */
export async function packageFile(shape: ZipShape, cacheFolder: string): Promise<string> {
  const path = join(cacheFolder, `${shape.name}-${shape.files}-${shape.bytes}.zip`);
  if (existsSync(path)) return path;
  mkdirSync(cacheFolder, { recursive: true });
  const zip = new ZipFile();
  const draw = seededRandom(1);
  for (let n = 0; n < shape.files; n++) {
    zip.addReadStreamLazy(`node_modules/package-${Math.floor(n / 50)}/file-${n}.js`, { mode: 0o100644 }, (use) => {
      use(null, contentOf(shape, draw));
    });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(`${path}.part`));
  renameSync(`${path}.part`, path);
  return path;
}

function contentOf({ bytes, randomShare }: ZipShape, draw: () => number): Readable {
  const content = Buffer.alloc(bytes, "export const value = 1;\n");
  for (let at = 0; at < bytes * randomShare; at += 4)
    content.writeUInt32LE(Math.floor(draw() * 2 ** 32), Math.min(at, bytes - 4));
  return Readable.from([content]);
}
