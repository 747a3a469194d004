/** File systems of functions without a cluster: folders that stand for PersistentVolumeClaims. Pure. */
import type { Isolation } from "./isolation.ts";

export interface FileSystemPlace {
  readonly isolation: Pick<Isolation, "truePaths" | "reason">;
  /** Name of a PersistentVolumeClaim → the folder that stands for it. */
  readonly fileSystems: ReadonlyMap<string, string>;
}

export interface WantedFileSystem {
  readonly claimName: string;
  /** Below /mnt. */
  readonly mountPath: string;
}

/** Why they cannot be had here, and what to do; undefined: they can. */
export function fileSystemProblem(
  wanted: readonly WantedFileSystem[],
  { isolation, fileSystems }: FileSystemPlace,
): string | undefined {
  const [first] = wanted;
  if (first !== undefined && !isolation.truePaths)
    return `Cannot mount "${first.mountPath}" here: it takes mount namespaces, and there are none: ${isolation.reason ?? "no reason given"}`;
  const missing = wanted.find(({ claimName }) => !fileSystems.has(claimName));
  if (missing === undefined) return undefined;
  const { claimName, mountPath } = missing;
  return `Cannot mount "${mountPath}": no folder stands for the PersistentVolumeClaim "${claimName}"; start local mode with --file-system ${claimName}=<folder>`;
}
