import { request } from "undici";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { bundleProgram } from "../systems/bundle-program.ts";
import type { ScrapeReading } from "../systems/scrape-process.ts";

const many = "5,000 functions";
const few = "50 functions";
const functionsOf = { [many]: 5000, [few]: 50 } as const;
const scrapesAtOnce = 5;
const mebibyte = 1024 * 1024;

/** What a scrape costs the router: bytes, the longest time for which calls would have stood still, and memory that it leaves taken. */
export const scrape: Scenario = {
  summary:
    "size of a scrape, longest stall of the event loop under it and memory after it, with 5,000 functions against 50",
  async run(context) {
    const program = await bundleProgram("scrape-process", context.folder);
    const rounds: Record<string, Reading>[] = [];
    context.progress(`Scrape: ${context.rounds} rounds of ${scrapesAtOnce} scrapes …`);
    for (let round = 0; round < context.rounds; round += 1) {
      rounds.push({
        [many]: await measure(context, program, functionsOf[many]),
        [few]: await measure(context, program, functionsOf[few]),
      });
    }
    const metrics = ["scrape MiB", "longest stall ms", "memory added MiB"];
    const notes = [
      `the second of two times ${scrapesAtOnce} scrapes, one after the other; each function has one alias and one version`,
    ];
    return [{ title: "scrape of a router's metrics", subject: many, baselines: [few], metrics, rounds, notes }];
  },
};

async function measure(context: BenchContext, program: string, functions: number): Promise<Reading> {
  const argv = [process.execPath, "--expose-gc", program, String(functions)];
  const child = await context.processes.start({ argv }, true);
  try {
    const { port } = await child.ready<{ readonly port: number }>();
    const url = `http://127.0.0.1:${port}`;
    const scrapeAll = async (): Promise<number> => {
      let bytes = 0;
      for (let n = 0; n < scrapesAtOnce; n += 1)
        bytes = (await (await request(`${url}/metrics`)).body.arrayBuffer()).byteLength;
      return bytes;
    };
    const read = async (): Promise<ScrapeReading> =>
      (await (await request(`${url}/reading`)).body.json()) as ScrapeReading;
    const idle = await read();
    await scrapeAll();
    await read();
    const bytes = await scrapeAll();
    const after = await read();
    return {
      "scrape MiB": bytes / mebibyte,
      "longest stall ms": after.longestStallMs,
      "memory added MiB": Math.max(0, after.residentBytes - idle.residentBytes) / mebibyte,
    };
  } finally {
    await child.end();
  }
}
