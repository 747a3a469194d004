/** A process that reads three packages of 100,000 bytes through a cache with room for two; prints `read <letter>` after each. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ContentCache } from "../../runtime-proxy/packages/content-cache.ts";

const cache = await ContentCache.open({ directory: process.argv[2] ?? "", limitBytes: 250_000 });
for (const letter of ["a", "b", "c"]) {
  const content = Buffer.alloc(100_000, letter);
  const stream = await cache.read({
    hex: createHash("sha256").update(content).digest("hex"),
    bytes: content.length,
    range: { start: 0, end: content.length - 1 },
    fetch: () => Promise.resolve(Readable.from([content.subarray(0, 60_000), content.subarray(60_000)])),
    onFetchedDamaged: () => Promise.resolve(),
  });
  await stream?.toArray();
  await new Promise((resolve) => process.stdout.write(`read ${letter}\n`, resolve));
}
