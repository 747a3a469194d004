/** Pull secrets that the kubelet has mounted, one directory each. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const secretFiles = [".dockerconfigjson", ".dockercfg"];

/** The files' text; a Secret that is missing, or of another type, has none. */
export async function readPullSecrets(directory: string): Promise<readonly string[]> {
  const secrets = (await readdir(directory).catch(() => [])).sort();
  const paths = secrets.flatMap((secret) => secretFiles.map((file) => join(directory, secret, file)));
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8").catch(() => undefined)));
  return texts.filter((text) => text !== undefined);
}
