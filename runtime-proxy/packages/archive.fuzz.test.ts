import assert from "node:assert/strict";
import fc from "fast-check";
import { lstat, mkdir, mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { zipBytes, type ZipEntryDraft } from "../../test/kit/zip-bytes.ts";
import { archiveLimits } from "./archive-limits.ts";
import { checkArchive } from "./archive.ts";
import { InflateBudget } from "./inflate-budget.ts";
import { MergeTarget } from "./merge-target.ts";
import { PackageError } from "./package-error.ts";
import { unpackArchive } from "./unpack.ts";

const part = fc.constantFrom("a", "b", "c", ".", "..", "", "l", "bootstrap", "\\", "ä");
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const mode = fc.constantFrom(0, 0o100644, 0o100755, 0o040755, 0o120777, 0o104777, 0o010644, 0o020644);

/** Entries that mean harm as often as not: names, links, modes and headers that contradict each other. */
const draft: fc.Arbitrary<ZipEntryDraft> = fc
  .record({ name: path, content: fc.oneof(path, fc.string({ maxLength: 50 })), mode, host: fc.constantFrom(0, 3) })
  .chain((entry) =>
    fc
      .record({ lie: fc.constantFrom("none", "none", "none", "crc", "size", "offset", "method"), value: fc.nat(500) })
      .map(({ lie, value }) => ({
        ...entry,
        ...(lie === "crc" && { crc: value }),
        ...(lie === "size" && { uncompressedBytes: value }),
        ...(lie === "offset" && { headerOffset: value }),
        ...(lie === "method" && { method: value % 13 }),
      })),
  );

const change = fc.record({ at: fc.nat(), value: fc.nat(255), what: fc.constantFrom("set", "insert", "cut") });

function mutate(bytes: Buffer, changes: readonly { at: number; value: number; what: string }[]): Buffer {
  let mutated = bytes;
  for (const { at, value, what } of changes) {
    const place = at % Math.max(1, mutated.length);
    const [before, after] = [mutated.subarray(0, place), mutated.subarray(what === "set" ? place + 1 : place)];
    mutated = what === "cut" ? before : Buffer.concat([before, Buffer.from([value]), after]);
  }
  return mutated;
}

const good = zipBytes([
  { name: "index.mjs", content: "export const handler = 1;\n".repeat(20) },
  { name: "d/", mode: 0o040755 },
  { name: "d/stored", content: "stored", method: 0, mode: 0o100755 },
  { name: "d/l", content: "../index.mjs", mode: 0o120777 },
  { name: "extensions/e", content: "#!/bin/sh\n", mode: 0o100755 },
]);

describe("an archive from anybody", () => {
  let directory: string;
  before(async () => void (directory = await mkdtemp(join(tmpdir(), "archive-fuzz-"))));
  after(async () => await rm(directory, { recursive: true }));

  /** Unpacks over a target with a link that leads out, and looks at everything that is there afterwards. */
  async function requireHarmless(archives: readonly Buffer[]): Promise<number> {
    const run = await mkdtemp(join(directory, "run-"));
    const target = join(run, "target");
    await mkdir(target);
    let refusals = 0;
    const merge = new MergeTarget(target);
    for (const [index, bytes] of archives.entries()) {
      const zip = join(run, `${index}.zip`);
      await writeFile(zip, bytes);
      const isGood = await isAccepted(() => checkArchive(zip, archiveLimits));
      const isUnpacked = await isAccepted(() => unpackArchive(zip, merge, new InflateBudget(1_000_000)));
      assert.equal(isUnpacked, isGood, "checking and unpacking disagree");
      if (!isGood) refusals++;
    }
    const zips = archives.map((_, index) => `${index}.zip`);
    assert.deepEqual((await readdir(run)).sort(), [...zips, "target"].sort(), "something was written outside");
    await requireInside(target);
    await rm(run, { recursive: true });
    return refusals;
  }

  async function isAccepted(step: () => Promise<unknown>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      assert.ok(error instanceof PackageError, `want a PackageError, got ${String(error)}`);
      return false;
    }
  }

  async function requireInside(root: string): Promise<void> {
    for (const name of await readdir(root, { recursive: true })) {
      const full = join(root, name);
      const stats = await lstat(full);
      assert.equal(stats.mode & 0o7000, 0, `${name} has a special mode`);
      assert.ok(stats.isFile() || stats.isDirectory() || stats.isSymbolicLink(), `${name} is something else`);
      if (!stats.isSymbolicLink()) continue;
      const leadsTo = resolve(dirname(full), await readlink(full));
      assert.ok(leadsTo === root || leadsTo.startsWith(`${root}/`), `${name} leads out, to ${leadsTo}`);
    }
  }

  it("is unpacked inside its target or refused, however its bytes were changed", async () => {
    let refusals = 0;
    const changes = fc.array(change, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        refusals += await requireHarmless([mutate(good, list)]);
      }),
      { numRuns: 400 },
    );
    assert.ok(refusals > 50, `only ${refusals} were refused: the changes do not reach the reader`);
  }).timeout(60_000);

  it("is unpacked inside its target or refused, whatever its entries say, one over the other", async () => {
    let refusals = 0;
    const archives = fc.array(fc.array(draft, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(archives, async (list) => {
        refusals += await requireHarmless(list.map((entries) => zipBytes(entries)));
      }),
      { numRuns: 400 },
    );
    assert.ok(refusals > 50, `only ${refusals} were refused: the entries mean no harm`);
  }).timeout(60_000);

  it("is read in bounded time when all is noise", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (noise) => {
        const end = good.subarray(good.length - 22);
        await requireHarmless([
          Buffer.from(noise),
          Buffer.concat([noise, end]),
          Buffer.concat([good.subarray(0, 30), noise, end]),
        ]);
      }),
      { numRuns: 100 },
    );
  }).timeout(60_000);
});
