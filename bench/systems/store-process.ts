/** A package store in a process of its own, which takes `<namespace>/<service account>` for a token. Prints StoreThere. */
import { giveMemoryBack } from "../../lib/idle-memory.ts";
import { startTestStore } from "../../test/kit/package-store-server.ts";

export interface StoreThere {
  readonly url: string;
  readonly healthUrl: string;
}

void startTestStore().then((store) => {
  process.once("SIGTERM", () => void store.stop().finally(() => process.exit(0)));
  giveMemoryBack();
  const there: StoreThere = { url: store.url, healthUrl: store.healthUrl };
  process.stdout.write(`${JSON.stringify(there)}\n`);
});
