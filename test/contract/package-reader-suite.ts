import assert from "node:assert/strict";
import type { PackageReader } from "../../runtime-proxy/packages/store.ts";

/** What the suite needs of an implementation beside the reader itself. */
export interface PackageReaderFixture {
  readonly reader: PackageReader;
  /** Makes content readable; returns its digest. */
  put(bytes: Buffer): Promise<string>;
  /** Changes a byte of what reading comes to, without the reader's knowledge. */
  damage(digest: string): Promise<void>;
  /** All content goes from what reading comes to. */
  lose(): Promise<void>;
  /** What is found once damage was seen: nothing, or the content again from where it came. */
  readonly afterDamage: "missing" | "whole";
  remove(): Promise<void>;
}

const content = Buffer.from("content of a package ".repeat(60_000));
const missing = `sha256:${"0".repeat(64)}`;

/** Holds an implementation to the words of `PackageReader`. */
export function describePackageReader(name: string, create: () => Promise<PackageReaderFixture>): void {
  describe(`package reader: ${name}`, () => {
    let fixture: PackageReaderFixture;
    let reader: PackageReader;
    let digest: string;
    beforeEach(async () => {
      fixture = await create();
      ({ reader } = fixture);
      digest = await fixture.put(content);
    });
    afterEach(async () => await fixture.remove());

    async function readAll(range?: { start: number; end: number }): Promise<Buffer | undefined> {
      const stream = await reader.read(digest, range);
      return stream === undefined ? undefined : Buffer.concat((await stream.toArray()) as Buffer[]);
    }

    it("finds the size, and reads the whole, again and again", async () => {
      const facts = await reader.find(digest);
      assert.deepEqual([facts?.digest, facts?.zippedBytes], [digest, content.length]);
      for (let time = 0; time < 3; time++) assert.deepEqual(await readAll(), content);
    });

    const ranges: Record<string, { start: number; end: number }> = {
      "the first byte": { start: 0, end: 0 },
      "the last byte": { start: content.length - 1, end: content.length - 1 },
      "a piece across the reader's own pieces": { start: 200_000, end: 900_001 },
      "a piece at the end": { start: 1_000_000, end: content.length - 1 },
    };
    for (const [what, range] of Object.entries(ranges)) {
      it(`reads ${what}`, async () => {
        assert.deepEqual(await readAll(range), content.subarray(range.start, range.end + 1));
      });
    }

    it("serves many at once, each its own range", async () => {
      const starts = Array.from({ length: 20 }, (_, index) => index * 60_000);
      const parts = await Promise.all(starts.map((start) => readAll({ start, end: content.length - 1 })));
      for (const [index, start] of starts.entries()) assert.deepEqual(parts[index], content.subarray(start));
    });

    it("has nothing of what is missing or no digest", async () => {
      for (const unknown of [missing, "sha256:../../etc/passwd", ""]) {
        assert.equal(await reader.find(unknown), undefined);
        assert.equal(await reader.read(unknown), undefined);
      }
    });

    it("fails a read of damaged content before its last bytes, and then serves none of it", async () => {
      await fixture.damage(digest);
      const stream = await reader.read(digest);
      assert.ok(stream !== undefined);
      let bytes = 0;
      await assert.rejects(async () => {
        for await (const chunk of stream as AsyncIterable<Buffer>) bytes += chunk.length;
      }, /damaged/);
      assert.ok(bytes < content.length);
      assert.deepEqual(await readAll(), fixture.afterDamage === "missing" ? undefined : content);
    });

    it("fails a read of a range when other bytes are damaged", async () => {
      await fixture.damage(digest);
      await assert.rejects(readAll({ start: 0, end: 10 }), /damaged/);
    });

    it("lets a read that has begun end while the content goes", async () => {
      const stream = await reader.read(digest);
      await fixture.lose();
      assert.deepEqual(Buffer.concat((await stream?.toArray()) as Buffer[]), content);
      assert.equal(await reader.find(digest), undefined);
    });

    it("leaves nothing open of a read that nobody took", async () => {
      const stream = await reader.read(digest);
      await new Promise((resolve) => stream?.once("close", resolve).destroy());
      assert.deepEqual(await readAll(), content);
    });
  });
}
