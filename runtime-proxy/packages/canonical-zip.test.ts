import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { archiveLimits } from "./archive-limits.ts";
import { checkArchive, openArchive } from "./archive.ts";
import { buildZip } from "./build-zip.ts";
import { writeCanonicalZip } from "./canonical-zip.ts";
import type { TreeNode } from "./layer-tree.ts";
import { StagedFile } from "./staged-file.ts";

describe("the zip that layers become", () => {
  let directory: string;
  let spool: StagedFile;
  let into: StagedFile;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "canonical-zip-"));
    spool = await StagedFile.create(join(directory, "spool"));
    into = await StagedFile.create(join(directory, "zip"));
  });
  afterEach(async () => {
    await Promise.all([spool.discard(), into.discard()]);
    await rm(directory, { recursive: true });
  });

  async function fileOf(content: Buffer, mode = 0o644): Promise<TreeNode> {
    const offset = spool.bytes;
    await spool.write(content);
    return { kind: "file", mode, content: { offset, bytes: content.length, crc32: crc32(content) } };
  }

  it("has the same bytes as inline files have that a library has written", async () => {
    const contents = { a: Buffer.from("#!/bin/sh\n"), "ä/b": Buffer.alloc(700_000, "x"), c: Buffer.alloc(0) };
    const entries: (readonly [string, TreeNode])[] = [
      ["a", await fileOf(contents.a, 0o755)],
      ["c", await fileOf(contents.c)],
      ["ä/b", await fileOf(contents["ä/b"])],
    ];
    await writeCanonicalZip(entries, spool, into);
    const other = await StagedFile.create(join(directory, "other"));
    await other.write(await buildZip(new Map(Object.entries(contents))));
    assert.equal(into.digest(), other.digest());
    await other.discard();
  });

  it("holds more entries than its count of two bytes can say", async () => {
    for (const count of [65_534, 65_535]) {
      await into.reset();
      const empty: TreeNode = { kind: "file", mode: 0o644, content: { offset: 0, bytes: 0, crc32: 0 } };
      const entries = Array.from({ length: count }, (_, file) => [`f${file}`, empty] as const);
      await writeCanonicalZip(entries, spool, into);
      const archive = await openArchive(into.path, archiveLimits);
      assert.equal(archive.entries.length, count);
      await archive.close();
    }
  }).timeout(60_000);

  it("holds directories, links and modes, and refuses what is none of these", async () => {
    const entries: (readonly [string, TreeNode])[] = [
      ["d", { kind: "directory", children: new Map(), mode: 0o750 }],
      ["d/l", { kind: "link", target: "../f" }],
      ["f", await fileOf(Buffer.from("f"), 0o640)],
    ];
    await writeCanonicalZip(entries, spool, into);
    assert.equal((await checkArchive(into.path, archiveLimits)).unzippedBytes, 1);
    const archive = await openArchive(into.path, archiveLimits);
    const seen = archive.entries.map(({ path, kind, mode }) => `${path} ${kind} ${mode.toString(8)}`);
    await archive.close();
    assert.deepEqual(seen, ["d directory 750", "d/l link 777", "f file 640"]);
    await into.reset();
    await assert.rejects(
      writeCanonicalZip([["p", { kind: "other", what: "a fifo" }]], spool, into),
      /"p": it is a fifo/,
    );
  });
});
