/** A folder that is nothing but a few short texts: it stays readable in a manifest. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const longestBytes = 100_000;
const mostFiles = 64;

/** Name → text; undefined where the folder is larger, or would not come out of `code.files` as it is. */
export async function textFiles(folder: string): Promise<Readonly<Record<string, string>> | undefined> {
  const texts: Record<string, string> = {};
  let bytes = 0;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .sort((a, b) => (a.parentPath + a.name < b.parentPath + b.name ? -1 : 1));
  if (files.length === 0 || files.length > mostFiles) return undefined;
  for (const file of files) {
    if (!file.isFile()) return undefined;
    const path = join(file.parentPath, file.name);
    const { size, mode } = await stat(path);
    bytes += size;
    if (bytes > longestBytes) return undefined;
    const text = textOf(await readFile(path), (mode & 0o100) !== 0);
    if (text === undefined) return undefined;
    texts[relative(folder, path).replaceAll(sep, "/")] = text;
  }
  return texts;
}

/** Of `files`, what begins with `#!` is executable and nothing else. */
function textOf(content: Buffer, isExecutable: boolean): string | undefined {
  const text = content.toString("utf8");
  if (text.startsWith("#!") !== isExecutable || /[^\P{Cc}\t\n]/u.test(text)) return undefined;
  return Buffer.from(text).equals(content) ? text : undefined;
}
