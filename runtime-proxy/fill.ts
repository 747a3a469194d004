import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import type { KnownHosts } from "./packages/known-hosts.ts";
import { tokenReader } from "./token-file.ts";

/** Where an agent gets code and layers from when no init container brings them. */
export interface FillSource {
  /** Of the package store. */
  readonly packagesUrl: string;
  /** Of the node's cache; empty: there is none. */
  readonly cacheUrl: string;
  /** Service account token of audience `packages`. */
  readonly tokenFile: string;
}

export interface Filling {
  readonly source: FillSource;
  readonly hosts: KnownHosts;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

export interface FillTarget {
  readonly taskDirectory: string;
  readonly layersDirectory: string;
}

/** Loads what filling takes, and greets who brings it: only agents that fill pay for it, and those that wait for their function pay before it comes. */
export async function prepareToFill({ source, hosts, signal }: Filling): Promise<void> {
  const [{ greetStore }] = await Promise.all([import("./packages/download.ts"), import("./assemble.ts")]);
  const { packagesUrl: baseUrl, cacheUrl } = source;
  await greetStore({ baseUrl, cacheUrl, readToken: tokenReader(source.tokenFile), hosts, signal });
}

/** Code and layers as `assemble` brings them; resolves with how long it took, ms, and throws AssembleError. */
export async function fill(
  { code, layers }: EnvironmentDocument,
  { source, hosts, signal }: Filling,
  target: FillTarget,
): Promise<number> {
  const { assemble } = await import("./assemble.ts");
  const { totalMs } = await assemble({
    environment: { ...(code !== undefined && { code }), layers },
    readToken: tokenReader(source.tokenFile),
    ...{ packagesUrl: source.packagesUrl, cacheUrl: source.cacheUrl, hosts, signal, ...target },
  });
  return totalMs;
}
