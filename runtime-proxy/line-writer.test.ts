import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { LineWriter, type LineWriterOptions } from "./line-writer.ts";

type Done = Parameters<LineWriterOptions["write"]>[1];

describe("LineWriter", () => {
  let clock: ManualClock;
  let pieces: { readonly text: string; readonly done: Done }[];
  let counted: Record<string, number>;
  let writer: LineWriter;
  beforeEach(() => {
    clock = new ManualClock();
    pieces = [];
    counted = { written: 0, dropped: 0 };
    writer = new LineWriter({
      clock,
      mostBytes: 10_000,
      write: (bytes, done) => void pieces.push({ text: bytes.toString(), done }),
      onLine: (result, count) => (counted[result] = (counted[result] ?? 0) + count),
    });
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("writes what has come together in one piece of whole lines, and the next when that is done", async () => {
    const line = `${"x".repeat(1499)}\n`;
    for (let n = 0; n < 3; n += 1) writer.line(line);
    await turn();
    assert.deepEqual(
      pieces.map(({ text }) => text.length),
      [3000],
    );
    pieces[0]?.done(null, 3000);
    assert.deepEqual(
      pieces.map(({ text }) => text.length),
      [3000, 1500],
    );
    pieces[1]?.done(null, 1500);
    assert.deepEqual(counted, { written: 3, dropped: 0 });
  });

  it("drops and counts what comes while nobody reads, and goes on when somebody does", async () => {
    for (let n = 0; n < 200; n += 1) writer.line(`${"y".repeat(99)}\n`);
    assert.equal(counted["dropped"], 100);
    await turn();
    pieces[0]?.done(Object.assign(new Error("later"), { code: "EAGAIN" }), 0);
    assert.equal(pieces.length, 1);
    clock.advance(20);
    assert.equal(pieces[1]?.text, pieces[0]?.text);
    for (let n = 1; n < pieces.length; n += 1) pieces[n]?.done(null, pieces[n]?.text.length ?? 0);
    assert.deepEqual(counted, { written: 100, dropped: 100 });
    writer.line("again\n");
    await turn();
    assert.equal(pieces.at(-1)?.text, "again\n");
  });

  it("writes the rest of a piece that was taken in part", async () => {
    writer.line("abcdef\n");
    await turn();
    pieces[0]?.done(null, 2);
    assert.equal(pieces[1]?.text, "cdef\n");
    pieces[1].done(null, 5);
    assert.deepEqual(counted, { written: 1, dropped: 0 });
  });

  it("counts lines as dropped that cannot be written at all, and tries the next", async () => {
    writer.line("one\n");
    await turn();
    writer.line("two\n");
    pieces[0]?.done(Object.assign(new Error("gone"), { code: "EPIPE" }), 0);
    assert.equal(pieces[1]?.text, "two\n");
    assert.deepEqual(counted, { written: 0, dropped: 1 });
  });

  it("has a flush that ends with the last line, or with its time", async () => {
    writer.line("one\n");
    let isFlushed = false;
    const flushed = writer.flush(1000).then(() => (isFlushed = true));
    await turn();
    assert.equal(isFlushed, false);
    pieces[0]?.done(null, 4);
    await flushed;
    writer.line("two\n");
    await turn();
    const late = writer.flush(1000);
    clock.advance(1000);
    await late;
  });
});
