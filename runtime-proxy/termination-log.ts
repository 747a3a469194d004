import { writeFileSync } from "node:fs";

/** A container's last words, from where they reach the pod's status. */
export function writeTerminationLog(path: string, line: string): void {
  try {
    writeFileSync(path, line, { flag: "r+" });
  } catch {
    // Only a kubelet makes the file; elsewhere stderr has the line.
  }
}
