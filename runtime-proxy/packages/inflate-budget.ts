import { unzippedTooLargeText } from "./archive-limits.ts";
import { countPassing } from "./buffer-garbage.ts";
import { PackageError } from "./package-error.ts";

/** Counts inflated bytes over one archive or several; `take` throws PackageError (CodeTooLarge) when there were too many. */
export class InflateBudget {
  #leftBytes: number;
  constructor(limitBytes: number) {
    this.#leftBytes = limitBytes;
  }
  take(bytes: number): void {
    this.#leftBytes -= bytes;
    countPassing(bytes);
    if (this.#leftBytes < 0) throw new PackageError("CodeTooLarge", unzippedTooLargeText);
  }
}
