import assert from "node:assert/strict";
import fc from "fast-check";
import { LineSplitter } from "./line-splitter.ts";

function split(chunks: readonly Uint8Array[], maxBytes: number): string[] {
  const lines: string[] = [];
  const take = (line: Uint8Array): void => void lines.push(Buffer.from(line).toString("latin1"));
  const splitter = new LineSplitter(maxBytes);
  for (const chunk of chunks) splitter.push(chunk, take);
  splitter.flush(take);
  return lines;
}

const texts: Record<string, { text: string; want: string[]; maxBytes?: number }> = {
  "telemetry-api 28: two lines of one write are two records": { text: "a\nb\n", want: ["a\n", "b\n"] },
  "a carriage return separates nothing": { text: "another\rline\n", want: ["another\rline\n"] },
  "\\r\\n ends a line with its \\r": { text: "a\r\nb\r\n", want: ["a\r\n", "b\r\n"] },
  "an empty line is a line": { text: "\n\na\n", want: ["\n", "\n", "a\n"] },
  "what has no end is a line once it is asked for": { text: "a\nrest", want: ["a\n", "rest"] },
  "a line of the longest length stays whole": { text: "abcd\ne\n", maxBytes: 4, want: ["abcd\n", "e\n"] },
  "what is cut off a line is a further record": {
    text: "abcdefghij\nk\n",
    maxBytes: 4,
    want: ["abcd", "efgh", "ij\n", "k\n"],
  },
  "a cut leaves characters whole": { text: "abcé€\n", maxBytes: 4, want: ["abc", "é", "€\n"] },
  "a character of four bytes fits": { text: "a😀b\n", maxBytes: 4, want: ["a", "😀", "b\n"] },
  "nothing is nothing": { text: "", want: [] },
};

describe("LineSplitter", () => {
  for (const [title, { text, want, maxBytes = 1024 }] of Object.entries(texts)) {
    it(title, () => {
      const lines = split([Buffer.from(text)], maxBytes).map((line) => Buffer.from(line, "latin1").toString());
      assert.deepEqual(lines, want);
    });
  }

  it("how bytes are chunked makes no difference, none is lost, none is too long", () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x61, 0x80, 0xe2, 0xf0), fc.integer({ min: 0, max: 255 }));
    const chunks = fc.array(fc.array(byte, { maxLength: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 4, max: 20 }), (lists, maxBytes) => {
        const pieces = lists.map((list) => Uint8Array.from(list));
        const whole = Buffer.concat(pieces);
        const lines = split(pieces, maxBytes);
        assert.deepEqual(lines, split([whole], maxBytes));
        assert.equal(lines.join(""), whole.toString("latin1"));
        for (const line of lines) {
          assert.ok(line.replace(/\n$/, "").length <= maxBytes);
          assert.ok(!line.slice(0, -1).includes("\n"));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("text stays text whatever the chunks and the bound", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 60 }),
        fc.integer({ min: 4, max: 16 }),
        fc.integer({ min: 1, max: 9 }),
        (text, maxBytes, chunkBytes) => {
          const bytes = Buffer.from(text);
          const count = Math.ceil(bytes.length / chunkBytes);
          const chunks = Array.from({ length: count }, (_, n) => bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes));
          const decoded = split(chunks, maxBytes).map((line) => Buffer.from(line, "latin1").toString());
          assert.equal(decoded.join(""), bytes.toString());
        },
      ),
    );
  });

  it("a dribble of single bytes is kept in about its own size", () => {
    const splitter = new LineSplitter(100_000);
    const lines: number[] = [];
    for (let n = 0; n < 250_000; n += 1) splitter.push(Uint8Array.of(0x61), (line) => lines.push(line.length));
    splitter.flush((line) => lines.push(line.length));
    assert.deepEqual(lines, [100_000, 100_000, 50_000]);
  });
});
