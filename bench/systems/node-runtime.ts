import { fileURLToPath } from "node:url";
import { Runtimes } from "../../local/runtimes.ts";
import type { BenchContext } from "../context.ts";

/** Holds the function `index.handler`. */
export const taskRoot = fileURLToPath(new URL("../function/", import.meta.url)).replace(/\/$/, "");

/** The folder with `bootstrap` and the runtime client that every system under measurement uses; installed once. */
export async function prepareNodeRuntime({
  cacheFolder,
  progress,
}: Pick<BenchContext, "cacheFolder" | "progress">): Promise<string> {
  const runtimes = new Runtimes({
    cacheDirectory: `${cacheFolder}/runtimes`,
    path: process.env["PATH"] ?? "",
    progress,
  });
  const prepared = await runtimes.prepare("nodejs24.x");
  if (!prepared.ok) throw new Error(prepared.message);
  if (prepared.directory === undefined) throw new Error('Cannot use runtime "nodejs24.x": it has no folder');
  return prepared.directory;
}
