/** Unpacks one zip, or assembles one package, as `assemble` does. Argument: UnpackOrder as JSON. Prints UnpackDone at its end. */
import { mkdirSync } from "node:fs";
import { assemble } from "../../runtime-proxy/assemble.ts";
import { unzippedLimitBytes } from "../../runtime-proxy/packages/archive-limits.ts";
import { InflateBudget } from "../../runtime-proxy/packages/inflate-budget.ts";
import { MergeTarget } from "../../runtime-proxy/packages/merge-target.ts";
import { unpackArchive } from "../../runtime-proxy/packages/unpack.ts";

export type UnpackOrder =
  | { readonly type: "unpack"; readonly zip: string; readonly target: string }
  | {
      readonly type: "assemble";
      readonly digest: string;
      readonly target: string;
      readonly packagesUrl: string;
      readonly cacheUrl?: string;
    };

export interface UnpackDone {
  /** Without the start of Node.js. */
  readonly ms: number;
}

async function run(order: UnpackOrder): Promise<UnpackDone> {
  mkdirSync(order.target);
  const startedMs = performance.now();
  if (order.type === "unpack") {
    await unpackArchive(order.zip, new MergeTarget(order.target), new InflateBudget(unzippedLimitBytes));
    return { ms: performance.now() - startedMs };
  }
  const { digest, target, packagesUrl, cacheUrl } = order;
  const directories = { taskDirectory: target, layersDirectory: target };
  const readToken = (): Promise<string> => Promise.resolve("team-a/default");
  await assemble({ environment: { code: digest, layers: [] }, packagesUrl, cacheUrl, readToken, ...directories });
  return { ms: performance.now() - startedMs };
}

void run(JSON.parse(process.argv[2] ?? "") as UnpackOrder).then((done) =>
  process.stdout.write(`${JSON.stringify(done)}\n`),
);
