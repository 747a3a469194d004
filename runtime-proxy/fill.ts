import { readFile } from "node:fs/promises";
import type { EnvironmentDocument } from "../crds/wire/environment.ts";

/** Where an agent gets code and layers from when no init container brings them. */
export interface FillSource {
  /** Of the package store. */
  readonly packagesUrl: string;
  /** Of the node's cache; empty: there is none. */
  readonly cacheUrl: string;
  /** Service account token of audience `packages`. */
  readonly tokenFile: string;
}

export interface FillTarget {
  readonly taskDirectory: string;
  readonly layersDirectory: string;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** Loads what filling takes: only agents that fill pay for it, and those that wait for their function pay before it comes. */
export async function prepareToFill(): Promise<void> {
  await import("./assemble.ts");
}

/** Code and layers as `assemble` brings them; resolves with how long it took, ms, and throws AssembleError. */
export async function fill(
  { code, layers }: EnvironmentDocument,
  { packagesUrl, cacheUrl, tokenFile }: FillSource,
  target: FillTarget,
): Promise<number> {
  const { assemble } = await import("./assemble.ts");
  const { totalMs } = await assemble({
    environment: { ...(code !== undefined && { code }), layers },
    readToken: () => readFile(tokenFile, "utf8"),
    ...{ packagesUrl, cacheUrl, ...target },
  });
  return totalMs;
}
