/** The manifests of a folder: every YAML document below it, read again when something changes. */
import { watch, type FSWatcher } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";

/** Folders that hold no manifests of the user's own. */
const ignoredFolders = new Set(["node_modules", ".git", ".cache", "dist"]);
const maxFileBytes = 8 * 1024 * 1024;
const maxFiles = 5_000;
const settleMs = 50;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface ManifestProblem {
  /** Path from the folder, and document number where a file has several. */
  readonly where: string;
  readonly message: string;
}

export interface ManifestFolder {
  readonly manifests: readonly { readonly where: string; readonly manifest: Manifest }[];
  readonly problems: readonly ManifestProblem[];
}

/** Reads all `*.yaml` and `*.yml` below the folder, sorted by path. A broken document is a problem, not a failure. */
export async function readManifests(folder: string): Promise<ManifestFolder> {
  const manifests: { where: string; manifest: Manifest }[] = [];
  const problems: ManifestProblem[] = [];
  const files = await findFiles(folder);
  if (files.length > maxFiles) {
    problems.push({
      where: ".",
      message: `Cannot read all manifests: more than ${maxFiles} YAML files; point at a smaller folder`,
    });
  }
  for (const file of files.slice(0, maxFiles)) {
    const where = relative(folder, file);
    if ((await stat(file)).size > maxFileBytes) {
      problems.push({ where, message: `Cannot read the file: larger than ${maxFileBytes} bytes` });
      continue;
    }
    for (const [index, document] of parseAllDocuments(await readFile(file, "utf8")).entries()) {
      const place = index === 0 ? where : `${where} (document ${index + 1})`;
      const [error] = document.errors;
      if (error !== undefined)
        problems.push({ where: place, message: `Cannot parse YAML: ${error.message.split("\n")[0] ?? ""}` });
      else collect(document.toJS({ maxAliasCount: 100 }), place, manifests, problems);
    }
  }
  return { manifests, problems };
}

function collect(
  value: unknown,
  where: string,
  manifests: { where: string; manifest: Manifest }[],
  problems: ManifestProblem[],
): void {
  if (value === null || value === undefined) return;
  const candidate = value as Partial<Manifest>;
  if (candidate.kind === "List" && Array.isArray(candidate["items"])) {
    for (const [index, item] of candidate["items"].entries())
      collect(item, `${where} (item ${index + 1})`, manifests, problems);
    return;
  }
  const isObject = typeof candidate.apiVersion === "string" && typeof candidate.kind === "string";
  // Other YAML files lie about in such folders (values, workflows): they are not ours to complain of.
  if (!isObject) return;
  if (typeof candidate.metadata?.name !== "string") {
    problems.push({ where, message: `Cannot use ${candidate.kind ?? "object"}: metadata.name is missing` });
    return;
  }
  manifests.push({ where, manifest: candidate as Manifest });
}

async function findFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return ignoredFolders.has(entry.name) ? [] : await findFiles(path);
      return entry.isFile() && /\.ya?ml$/.test(entry.name) ? [path] : [];
    }),
  );
  return nested.flat().sort();
}

/** Calls back, once things have settled, after anything below the folder changed. */
export function watchFolder(folder: string, onChange: () => void): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  const watcher: FSWatcher = watch(folder, { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, settleMs);
  });
  return {
    stop() {
      clearTimeout(timer);
      watcher.close();
      return Promise.resolve();
    },
  };
}
