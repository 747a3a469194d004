import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { openHeld, readFully, readRange, type OpenFile } from "./read-file-range.ts";

const heldBytes = 1024 * 1024;

describe("files that are read by ranges", () => {
  let dir: string;
  before(() => (dir = mkdtempSync(join(tmpdir(), "ranges-"))));
  after(() => rmSync(dir, { recursive: true }));

  const write = (bytes: number): { readonly path: string; readonly content: Buffer } => {
    const [path, content] = [join(dir, `file-${bytes}`), Buffer.alloc(bytes, Buffer.from("0123456789abcdefg"))];
    writeFileSync(path, content);
    return { path, content };
  };
  const rangeOf = async (file: OpenFile, start: number, end: number): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    for await (const piece of readRange(file, start, end)) pieces.push(piece);
    return Buffer.concat(pieces);
  };

  for (const bytes of [0, 1, 1000, heldBytes - 1, heldBytes, heldBytes + 1, 3 * heldBytes])
    it(`gives the same bytes held and not: ${bytes} of them`, async () => {
      const { path, content } = write(bytes);
      for (const file of [await openHeld(path), await open(path, "r")]) {
        assert.equal((await file.stat()).size, bytes);
        for (const [start, end] of [
          [0, bytes],
          [1, bytes],
          [0, bytes + 5],
          [Math.max(0, bytes - 3), bytes],
          [bytes, bytes + 1],
          [bytes + 10, bytes + 20],
          [5, 5],
        ] as const)
          assert.ok(
            content.subarray(start, end).equals(await rangeOf(file, start, Math.max(start, end))),
            `${start} to ${end}`,
          );
        await file.close();
      }
    });

  it("holds what a small file had when it was opened", async () => {
    const { path, content } = write(2000);
    const file = await openHeld(path);
    truncateSync(path, 10);
    assert.ok(content.equals(await rangeOf(file, 0, 2000)));
  });

  it("fills a buffer as far as the file goes", async () => {
    const { path, content } = write(100);
    const buffer = Buffer.alloc(64, 0xff);
    assert.equal(await readFully(await openHeld(path), buffer, 50), 50);
    assert.ok(buffer.equals(Buffer.concat([content.subarray(50), Buffer.alloc(14, 0xff)])));
  });

  it("tells that there is no such file", async () => {
    await assert.rejects(openHeld(join(dir, "none")), { code: "ENOENT" });
  });
});
