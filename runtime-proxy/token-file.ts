import { readFileSync } from "node:fs";

/** Reads a token that the kubelet renews, every time anew. It is a small file in memory: read at once, where a read beside would wait for a thread four times. */
export function tokenReader(path: string): () => Promise<string> {
  return () => new Promise((resolve) => resolve(readFileSync(path, "utf8")));
}
