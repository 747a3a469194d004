/** A package store in a process of its own, which takes `<namespace>/<service account>` for a token. Prints StoreThere. */
import { giveBackStart } from "../../runtime-proxy/packages/buffer-garbage.ts";
import { startTestStore } from "../../test/kit/package-store-server.ts";

export interface StoreThere {
  readonly url: string;
  readonly healthUrl: string;
}

void startTestStore().then((store) => {
  process.once("SIGTERM", () => void store.stop().finally(() => process.exit(0)));
  giveBackStart();
  const there: StoreThere = { url: store.url, healthUrl: store.healthUrl };
  process.stdout.write(`${JSON.stringify(there)}\n`);
});
