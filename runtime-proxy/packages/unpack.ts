import { archiveLimits } from "./archive-limits.ts";
import type { ArchiveEntry } from "./archive-directory.ts";
import { readArchive, scratchBytes, type Archive } from "./archive.ts";
import type { InflateBudget } from "./inflate-budget.ts";
import type { MergeTarget } from "./merge-target.ts";
import { openHeld } from "./read-file-range.ts";

export interface Unpacked {
  readonly entries: number;
  readonly unzippedBytes: number;
}

/** Files read and inflated at once: a few keep the disk and zlib's threads busy. */
const readAtOnce = 8;

/** Unpacks an archive with every check of archive.ts; throws PackageError. What was unpacked before a failure stays. */
export async function unpackArchive(path: string, target: MergeTarget, budget: InflateBudget): Promise<Unpacked> {
  const archive = await readArchive(await openHeld(path), archiveLimits);
  try {
    const unzippedBytes = await unpackEntries(archive, target, budget);
    return { entries: archive.entries.length, unzippedBytes };
  } finally {
    await archive.close();
  }
}

async function unpackEntries(archive: Archive, target: MergeTarget, budget: InflateBudget): Promise<number> {
  for (const { kind, path, mode } of archive.entries) if (kind === "directory") target.addDirectory(path, mode);
  const queue = archive.entries.filter(({ kind }) => kind !== "directory").values();
  let unzippedBytes = 0;
  let isFailed = false;
  const work = async (): Promise<void> => {
    const scratch = Buffer.allocUnsafe(scratchBytes);
    for (const entry of queue) {
      if (isFailed) return;
      await unpackEntry({ archive, entry, target, budget, scratch });
      unzippedBytes += entry.uncompressedBytes;
    }
  };
  const workers = Array.from({ length: readAtOnce }, () =>
    work().catch((error: unknown) => {
      isFailed = true;
      throw error;
    }),
  );
  // All have stopped before the archive is closed.
  const [failure] = (await Promise.allSettled(workers)).filter((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  return unzippedBytes;
}

interface Step {
  readonly archive: Archive;
  readonly entry: ArchiveEntry;
  readonly target: MergeTarget;
  readonly budget: InflateBudget;
  readonly scratch: Buffer;
}

async function unpackEntry({ archive, entry, target, budget, scratch }: Step): Promise<void> {
  const { path, mode } = entry;
  if (entry.kind === "link") target.addLink(path, await archive.readLink(entry, budget));
  else if (archive.isSmall(entry)) target.addFile(path, mode, await archive.readWhole(entry, budget, scratch));
  else await target.addLargeFile(path, mode, archive.read(entry, budget));
}
