/** What `assemble` leaves for the agent of its pod, in a directory that the function cannot write to: how long it took. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const fileName = "assembled";

/** For `readFetchMs`; a file that cannot be written costs a figure and nothing else. */
export function tellFetchMs(directory: string, fetchMs: number): void {
  try {
    writeFileSync(join(directory, fileName), String(Math.round(fetchMs)));
  } catch {
    // No figure then.
  }
}

/** Undefined: nothing was assembled, or nobody has said how long it took. */
export function readFetchMs(directory: string): number | undefined {
  try {
    const text = readFileSync(join(directory, fileName), "utf8");
    return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
