/** Bounds on one archive. */
export interface ArchiveLimits {
  /** Bytes of all files together once inflated; counted, never taken from a header. */
  readonly unzippedBytes: number;
  /** Entries of the central directory, directories included. */
  readonly entries: number;
}

/** Largest zip given directly, bytes. Source: Lambda quotes it in `Zipped size must be smaller than 52428800 bytes`. */
export const directUploadLimitBytes = 52_428_800;

/** Largest function with all its layers once unzipped, bytes; also the largest zip that is fetched. Source: Lambda quotas. */
export const unzippedLimitBytes = 262_144_000;

/** The file system's own bounds for a name with its directories, and for one of its parts; in bytes, less what stands before `/var/task`. */
export const nameLimitBytes = 4000;
export const namePartLimitBytes = 255;

export const archiveLimits: ArchiveLimits = { unzippedBytes: unzippedLimitBytes, entries: 100_000 };

/** Spelled as Lambda spells it. */
export const zippedTooLargeText = `Zipped size must be smaller than ${directUploadLimitBytes} bytes`;
export const unzippedTooLargeText = `Unzipped size must be smaller than ${unzippedLimitBytes} bytes`;
export const invalidArchiveText = "Could not unzip uploaded file. Please check your file, then try to upload again.";
