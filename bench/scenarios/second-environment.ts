import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import { bundleProgram } from "../systems/bundle-program.ts";
import type { CacheThere } from "../systems/cache-process.ts";
import { manyFiles, packageFile } from "../systems/package-files.ts";
import { fastFolder, PackageWorld } from "../systems/package-world.ts";

const subject = "second, with a cache";
const baselines = ["first, with a cache", "without a cache"];
const metrics = ["bytes from the store", "assemble ms"];

/** What the store has to give for an environment on a node that has had one. */
export const secondEnvironment: Scenario = {
  summary:
    "bytes from the store, and time, for the second environment of a node, against the first and one without a cache",
  async run(context) {
    const zip = await packageFile(manyFiles, context.cacheFolder);
    const program = await bundleProgram("cache-process", context.folder);
    const world = await PackageWorld.start(context);
    const folder = await fastFolder(context);
    try {
      const digest = await world.bring(zip);
      const assemble = async (cacheUrl: string): Promise<Reading> => {
        const before = await world.servedBytes();
        const target = join(folder, "task");
        const { ms } = await world.unpack({ type: "assemble", digest, target, packagesUrl: world.there.url, cacheUrl });
        await rm(target, { recursive: true });
        return { "bytes from the store": (await world.servedBytes()) - before, "assemble ms": ms };
      };
      await assemble("");
      const rounds: Record<string, Reading>[] = [];
      context.progress(`Second environment: ${context.rounds} rounds …`);
      for (let round = 0; round < context.rounds; round++) {
        const cache = await startCache(context, program, world.there.url);
        const { url } = await cache.ready<CacheThere>();
        const [first, second, without] = [await assemble(url), await assemble(url), await assemble("")];
        rounds.push({ [subject]: second, "first, with a cache": first, "without a cache": without });
        await cache.end();
      }
      const notes = [
        "5,000 files, 50 MB zipped; everything on loopback, where a store is as near as a cache: the bytes are the figure",
      ];
      return [{ title: "environments of one node", subject, baselines, metrics, rounds, notes }];
    } finally {
      await rm(folder, { recursive: true, force: true });
      await world.end();
    }
  },
};

async function startCache(context: BenchContext, program: string, storeUrl: string): Promise<BenchProcess> {
  return await context.processes.start({ argv: [process.execPath, program, storeUrl] }, true);
}
