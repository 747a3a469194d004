/** A node's cache in a process of its own. Argument: url of the package store. Prints CacheThere. */
import { startTestCache } from "../../test/kit/node-cache-server.ts";

export interface CacheThere {
  readonly url: string;
}

void startTestCache(process.argv[2] ?? "", 1_000_000_000).then((cache) => {
  process.once("SIGTERM", () => void cache.stop().finally(() => process.exit(0)));
  const there: CacheThere = { url: cache.url };
  process.stdout.write(`${JSON.stringify(there)}\n`);
});
