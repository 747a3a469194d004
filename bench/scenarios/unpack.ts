import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Reading } from "../comparison.ts";
import type { Scenario } from "../context.ts";
import { shuffled } from "../seeded-random.ts";
import { manyFiles, packageFile } from "../systems/package-files.ts";
import { fastFolder, PackageWorld } from "../systems/package-world.ts";

const run = promisify(execFile);
const [subject, baseline] = ["assemble's unpacking", "unzip"];
const metric = "unpack ms";

/** What a cold start waits for once a package is there. */
export const unpack: Scenario = {
  summary: "unpacking a zip of 50 MB with 5,000 files, every rule checked, against unzip",
  async run(context) {
    const zip = await packageFile(manyFiles, context.cacheFolder);
    const world = await PackageWorld.start(context);
    const folder = await fastFolder(context);
    const measures: [string, (target: string) => Promise<number>][] = [
      [subject, async (target) => (await world.unpack({ type: "unpack", zip, target })).ms],
      [
        baseline,
        async (target) => {
          const startedMs = performance.now();
          await run("unzip", ["-q", zip, "-d", target]);
          return performance.now() - startedMs;
        },
      ],
    ];
    try {
      const rounds: Record<string, Reading>[] = [];
      context.progress(`Unpack: one round that does not count, then ${context.rounds} …`);
      for (let round = 0; round <= context.rounds; round++) {
        const reading: Record<string, Reading> = {};
        for (const [name, measure] of shuffled(measures, context.draw)) {
          const target = join(folder, "target");
          reading[name] = { [metric]: await measure(target) };
          await rm(target, { recursive: true });
        }
        if (round > 0) rounds.push(reading);
      }
      const notes = [
        "5,000 files of 30,000 bytes, a third of them random; to a file system in memory where there is one",
        "assemble's: without the start of Node.js, which a cold start has paid before; unzip: the whole process",
      ];
      return [
        { title: "50 MB zip with 5,000 files", subject, baselines: [baseline], metrics: [metric], rounds, notes },
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
      await world.end();
    }
  },
};
