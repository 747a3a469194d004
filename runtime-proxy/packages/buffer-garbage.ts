/**
 * Whoever lets a package pass counts its bytes here: buffers that were filled live until V8 collects everything (zlib's and a
 * connection's objects hold them), which it does by itself only once some 64 MB have come together. Does nothing unless Node.js
 * was started with --expose-gc. Source: `bench/main.ts package-memory`.
 */
export function countPassing(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < collectEveryBytes) return;
  passedBytes = 0;
  globalThis.gc?.();
}

const collectEveryBytes = 16 * 1024 * 1024;
let passedBytes = 0;
