import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ContentCache } from "./content-cache.ts";

const kit = new URL("../../test/kit/", import.meta.url);
const limitBytes = 250_000;

function content(letter: string): Buffer {
  return Buffer.alloc(100_000, letter);
}

function hexOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("content cache", () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), "content-cache-"))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** Reads through the cache; `fetches` hears of what had to be fetched. */
  async function read(cache: ContentCache, bytes: Buffer, fetches: string[] = []): Promise<Buffer> {
    const hex = hexOf(bytes);
    const stream = await cache.read({
      ...{ hex, bytes: bytes.length, range: { start: 0, end: bytes.length - 1 } },
      fetch() {
        fetches.push(hex);
        return Promise.resolve(Readable.from([bytes]));
      },
      onFetchedDamaged: () => Promise.resolve(),
    });
    return Buffer.concat((await stream?.toArray()) as Buffer[]);
  }

  it("has whole packages or none after a kill at any step, within its bound, and works on", async () => {
    let killed = 0;
    for (let step = 1; ; step++) {
      await rm(directory, { recursive: true, force: true });
      const script = new URL("content-cache-life.ts", kit).pathname;
      const child = spawn(process.execPath, ["--import", new URL("kill-at-step.ts", kit).pathname, script, directory], {
        env: { ...process.env, KILL_AT_STEP: String(step) },
        stdio: ["ignore", "ignore", "inherit"],
        timeout: 20_000,
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
        child.once("close", (...ended) => resolve(ended)),
      );
      assert.ok(code === 0 || signal === "SIGKILL", `step ${step}: the process ended with ${String(code ?? signal)}`);
      const cache = await ContentCache.open({ directory, limitBytes });
      assert.deepEqual(await readdir(join(directory, "staging")), [], `step ${step}`);
      for (const file of await readdir(join(directory, "content")))
        assert.equal((await stat(join(directory, "content", file))).size, 100_000, `step ${step}`);
      assert.ok(cache.keptBytes <= limitBytes);
      for (const letter of ["a", "b", "c"]) assert.deepEqual(await read(cache, content(letter)), content(letter));
      if (code === 0) break;
      killed++;
      assert.ok(step < 60, "the process never ends by itself");
    }
    assert.ok(killed > 15, `${killed} steps`);
  }).timeout(120_000);

  it("opens what an earlier process kept, lets go of what came first when its bound is smaller now, and clears away the rest", async () => {
    const before = await ContentCache.open({ directory, limitBytes });
    for (const letter of ["a", "b"]) await read(before, content(letter));
    const fetches: string[] = [];
    const cache = await ContentCache.open({ directory, limitBytes: 100_000 });
    assert.deepEqual(await readdir(join(directory, "content")), [`${hexOf(content("b"))}.zip`]);
    await read(cache, content("b"), fetches);
    assert.deepEqual(fetches, []);
  });

  it("makes room before more comes: what is kept and what is on its way stay within the bound together", async () => {
    const cache = await ContentCache.open({ directory, limitBytes });
    for (const letter of ["a", "b"]) await read(cache, content(letter));
    let seenFiles: readonly string[] = [];
    const c = content("c");
    const stream = await cache.read({
      ...{ hex: hexOf(c), bytes: c.length, range: { start: 0, end: c.length - 1 } },
      async fetch() {
        seenFiles = await readdir(join(directory, "content"));
        assert.equal(cache.hasRoomFor("0".repeat(64), 150_000), true);
        assert.equal(cache.hasRoomFor("0".repeat(64), 150_001), false);
        return Readable.from([c]);
      },
      onFetchedDamaged: () => Promise.resolve(),
    });
    await stream?.toArray();
    assert.deepEqual(seenFiles, [`${hexOf(content("b"))}.zip`]);
  });

  it("fails all who wait when fetching fails, and fetches again for the next", async () => {
    const cache = await ContentCache.open({ directory, limitBytes });
    const a = content("a");
    const wanted = {
      ...{ hex: hexOf(a), bytes: a.length, range: { start: 0, end: a.length - 1 } },
      fetch: () => Promise.reject(new Error("no way there")),
      onFetchedDamaged: () => Promise.resolve(),
    };
    const reads = await Promise.allSettled([cache.read(wanted), cache.read(wanted)]);
    assert.deepEqual(
      reads.map(({ status }) => status),
      ["rejected", "rejected"],
    );
    assert.deepEqual(await read(cache, a), a);
  });
});
