import type { PackageErrorCode } from "../../crds/wire/packages.ts";

/** What went wrong with a package, for the user who wrote the source; `entry` names the archive entry at fault. */
export class PackageError extends Error {
  readonly code: PackageErrorCode;
  readonly entry: string | undefined;
  /** How long the source wants to be left alone, ms. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: PackageErrorCode,
    message: string,
    options: { entry?: string; cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PackageError";
    this.code = code;
    this.entry = options.entry;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A name or value of foreign origin as it may stand in a message: quoted, escaped, at most 200 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
