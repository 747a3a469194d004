import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { largest, packageFile, smallest, type ZipShape } from "../systems/package-files.ts";
import { fastFolder, PackageWorld, withPeak } from "../systems/package-world.ts";

const metric = "peak unshared MiB";
const mebibyte = 1024 * 1024;
const shapes: readonly [string, ZipShape][] = [
  ["260 MB", largest],
  ["1 KB", smallest],
];

/** Whether a package's size shows in the memory of those that it passes. */
export const packageMemory: Scenario = {
  summary: "most unshared memory of store and assemble while a package of 260 MB passes, against one of 1 KB",
  async run(context) {
    const readings: Record<"store" | "assemble", Record<string, Reading>[]> = { store: [], assemble: [] };
    context.progress(`Memory of packages: ${context.rounds} rounds …`);
    for (let round = 0; round < context.rounds; round++) {
      const store: Record<string, Reading> = {};
      const assemble: Record<string, Reading> = {};
      for (const [name, shape] of shapes) {
        const peaks = await measure(context, shape);
        store[name] = { [metric]: peaks.storeBytes / mebibyte };
        assemble[name] = { [metric]: peaks.assembleBytes / mebibyte };
      }
      readings.store.push(store);
      readings.assemble.push(assemble);
    }
    const [subject = "", ...baselines] = shapes.map(([name]) => name);
    const notes = [
      "read every 5 ms; store: a new process that fetches by url, checks and keeps; assemble: a new process that downloads and unpacks",
    ];
    return [
      {
        title: "memory of the store while it fetches",
        subject,
        baselines,
        metrics: [metric],
        rounds: readings.store,
        notes,
      },
      { title: "memory of assemble", subject, baselines, metrics: [metric], rounds: readings.assemble, notes },
    ];
  },
};

async function measure(context: BenchContext, shape: ZipShape): Promise<{ storeBytes: number; assembleBytes: number }> {
  const zip = await packageFile(shape, context.cacheFolder);
  const world = await PackageWorld.start(context);
  const folder = await fastFolder(context);
  try {
    const brought = await withPeak(world.store.pid, async () => ({ digest: await world.bring(zip) }));
    const order = { type: "assemble", target: join(folder, "task"), packagesUrl: world.there.url } as const;
    const { peakBytes } = await world.unpack({ ...order, digest: brought.digest });
    return { storeBytes: brought.peakBytes, assembleBytes: peakBytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await world.end();
  }
}
