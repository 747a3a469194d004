/** Bytes of functions and layers: downloaded, or packed from a folder beside a template. Small ones go into the manifest. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipFolder } from "../zip-folder.ts";
import type { CodeFound, Found } from "./found.ts";
import { textFiles } from "./text-files.ts";

export interface FetchOptions {
  readonly download: boolean;
  /** Where zips go that are too large for a manifest. */
  readonly output: string | undefined;
}

const downloadMs = 300_000;
/** Lambda's own: 250 MB, unzipped. */
const largestPackage = 250 * 1024 * 1024;
/** What a manifest holds. Source: the schema of code. */
const largestInline = 1024 * 1024;

/** What was found, with code and content as far as they are at hand. A problem takes the place of what cannot be read. */
export async function fetchCode(found: readonly Found[], options: FetchOptions): Promise<readonly Found[]> {
  const ready: Found[] = [];
  for (const each of found) {
    if (each.type === "function") ready.push({ ...each, code: await codeAtHand(each.code, each.name, options) });
    else if (each.type === "layer")
      ready.push({ ...each, content: await codeAtHand(each.content, each.use.name, options) });
    else ready.push(each);
  }
  return ready;
}

async function codeAtHand(code: CodeFound, name: string, options: FetchOptions): Promise<CodeFound> {
  try {
    if (code.type === "path") return await fromPath(code.path, name, options);
    if (code.type !== "zip" || code.location === undefined || !options.download) return code;
    const bytes = await download(code.location);
    const sha256 = sha256Of(bytes);
    if (sha256 === code.sha256) return await placed(bytes, name, options);
    return { type: "missing", reason: `what was downloaded has the SHA-256 ${sha256}, and not ${code.sha256}` };
  } catch (error) {
    return { type: "missing", reason: error instanceof Error ? error.message : String(error) };
  }
}

async function download(location: string): Promise<Buffer> {
  const response = await fetch(location, { signal: AbortSignal.timeout(downloadMs) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(
      `the download was answered with ${response.status}: such URLs end after 10 minutes; run the command of the AWS CLI again`,
    );
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > largestPackage) throw new Error(`the download is larger than ${largestPackage} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A file is a package as it is (a zip, a jar); a folder becomes one. */
async function fromPath(path: string, name: string, options: FetchOptions): Promise<CodeFound> {
  if ((await stat(path)).isFile()) return await placed(await readFile(path), name, options);
  const texts = await textFiles(path);
  if (texts !== undefined) return { type: "spec", code: { files: texts } };
  const directory = await mkdtemp(join(tmpdir(), "kubelambda-import-"));
  try {
    const zip = join(directory, "package.zip");
    await zipFolder(path, zip);
    return await placed(await readFile(zip), name, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function placed(bytes: Buffer, name: string, { output }: FetchOptions): Promise<CodeFound> {
  if (bytes.length <= largestInline)
    return { type: "spec", code: { zipFile: bytes.toString("base64") }, sha256: sha256Of(bytes) };
  if (output === undefined)
    return {
      type: "missing",
      reason: `its zip of ${bytes.length} bytes is too large for a manifest: give --output DIR`,
    };
  const file = join(output, `${name}.zip`);
  await mkdir(output, { recursive: true });
  await writeFile(file, bytes);
  return { type: "file", sha256: sha256Of(bytes), file };
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
