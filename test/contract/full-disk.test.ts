/** Disks that are full, where our processes write: the package store, a node's cache, a pod's volumes. Needs root, to mount small ones. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { assemble } from "../../runtime-proxy/assemble.ts";
import { failureOf } from "../kit/assemble-failure.ts";
import { startTestCache } from "../kit/node-cache-server.ts";
import { startTestStore } from "../kit/package-store-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const megabyte = 1024 * 1024;

/** Bytes that do not get smaller in a zip. */
function zipOf(bytes: number): { readonly type: "zip"; readonly base64: string } {
  return { type: "zip", base64: zipBytes([{ name: "a", content: randomBytes(bytes) }]).toString("base64") };
}

describe("a disk that is full", function () {
  this.timeout(60_000);
  const usualTemporary = process.env["TMPDIR"];
  let disk: string;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), "small-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
  });
  afterEach(() => {
    usual();
    execFileSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  /** What is started meanwhile has its folder on the small disk. */
  async function onSmallDisk<T>(start: () => Promise<T>): Promise<T> {
    process.env["TMPDIR"] = disk;
    return await start().finally(usual);
  }

  function usual(): void {
    if (usualTemporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = usualTemporary;
  }

  function freeBytes(): number {
    const { bavail, bsize } = statfsSync(disk);
    return bavail * bsize;
  }

  /** Leaves only so much. */
  function fill(leftBytes: number): string {
    const file = join(disk, "filler");
    writeFileSync(file, Buffer.alloc(Math.max(0, freeBytes() - leftBytes)));
    return file;
  }

  it("of the package store: what is too large is refused and leaves nothing, what is there is served, and what fits is taken again", async () => {
    const store = await onSmallDisk(() => startTestStore());
    try {
      const first = await store.resolve(zipOf(100_000), "team-a");
      const before = freeBytes();
      await assert.rejects(store.resolve(zipOf(9 * megabyte), "team-a"));
      assert.ok(Math.abs(freeBytes() - before) < 100_000, `${before} bytes were free, now ${freeBytes()}`);
      const options = { environment: { code: first, layers: [] } };
      await assemble(await store.assembleOptions(options.environment));
      const second = await store.resolve(zipOf(100_000), "team-a");
      assert.notEqual(second, first);
    } finally {
      await store.stop();
    }
  });

  it("of a node's cache: packages come from the store all the same, and from the cache when there is room", async () => {
    const store = await startTestStore();
    const cache = await onSmallDisk(() => startTestCache(store.url));
    try {
      const code = await store.resolve(zipOf(2 * megabyte), "team-a");
      const options = { ...(await store.assembleOptions({ code, layers: [] })), cacheUrl: cache.url };
      const from = async () => (await assemble(options)).packages.map(({ from: place }) => place);
      const filler = fill(megabyte / 2);
      await from();
      assert.deepEqual(readdirSync(store.taskDirectory), ["a"]);
      rmSync(filler);
      await from();
      assert.deepEqual(await from(), ["cache"]);
    } finally {
      await cache.stop();
      await store.stop();
    }
  });

  it("of a pod's volume: assemble says so and ends, and the next one that has room is whole", async () => {
    const store = await startTestStore();
    try {
      const code = await store.resolve(zipOf(2 * megabyte), "team-a");
      const taskDirectory = join(disk, "task");
      execFileSync("mkdir", [taskDirectory]);
      const options = { ...(await store.assembleOptions({ code, layers: [] })), taskDirectory };
      const filler = fill(megabyte);
      assert.match((await failureOf(options)).message, /ENOSPC|no space left/i);
      rmSync(filler);
      await assemble(options);
      assert.deepEqual(readdirSync(taskDirectory), ["a"]);
    } finally {
      await store.stop();
    }
  });
});
