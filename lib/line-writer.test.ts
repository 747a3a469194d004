import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { LineWriter, type LineSource, type LineWriterOptions } from "./line-writer.ts";

type Done = Parameters<LineWriterOptions["write"]>[1];

describe("LineWriter", () => {
  let clock: ManualClock;
  let pieces: { readonly text: string; readonly done: Done }[];
  let counted: Record<string, number>;
  let writer: LineWriter;
  let source: LineSource;
  beforeEach(() => {
    clock = new ManualClock();
    pieces = [];
    counted = { written: 0, dropped: 0 };
    writer = new LineWriter({
      clock,
      write: (bytes, done) => void pieces.push({ text: bytes.toString(), done }),
    });
    source = writer.open({
      mostBytes: 10_000,
      onLine: (result, count) => (counted[result] = (counted[result] ?? 0) + count),
    });
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("writes what has come together in one piece of whole lines, and the next when that is done", async () => {
    const line = `${"x".repeat(1499)}\n`;
    for (let n = 0; n < 3; n += 1) source.line(line);
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
    for (let n = 0; n < 200; n += 1) source.line(`${"y".repeat(99)}\n`);
    assert.equal(counted["dropped"], 100);
    await turn();
    pieces[0]?.done(Object.assign(new Error("later"), { code: "EAGAIN" }), 0);
    assert.equal(pieces.length, 1);
    clock.advance(20);
    assert.equal(pieces[1]?.text, pieces[0]?.text);
    for (let n = 1; n < pieces.length; n += 1) pieces[n]?.done(null, pieces[n]?.text.length ?? 0);
    assert.deepEqual(counted, { written: 100, dropped: 100 });
    source.line("again\n");
    await turn();
    assert.equal(pieces.at(-1)?.text, "again\n");
  });

  it("writes the rest of a piece that was taken in part", async () => {
    source.line("abcdef\n");
    await turn();
    pieces[0]?.done(null, 2);
    assert.equal(pieces[1]?.text, "cdef\n");
    pieces[1].done(null, 5);
    assert.deepEqual(counted, { written: 1, dropped: 0 });
  });

  it("counts lines as dropped that cannot be written at all, and tries the next", async () => {
    source.line("one\n");
    await turn();
    source.line("two\n");
    pieces[0]?.done(Object.assign(new Error("gone"), { code: "EPIPE" }), 0);
    assert.equal(pieces[1]?.text, "two\n");
    assert.deepEqual(counted, { written: 0, dropped: 1 });
  });

  it("writes a long line alone and whole, where its source may have such", async () => {
    const long = writer.open({ longestLineBytes: 20_000, onLine: () => undefined });
    source.line("one\n");
    long.line(`${"l".repeat(9999)}\n`);
    source.line(`${"m".repeat(9000)}\n`);
    source.line("two\n");
    await turn();
    for (let n = 0; n < pieces.length; n += 1) pieces[n]?.done(null, pieces[n]?.text.length ?? 0);
    assert.deepEqual(
      pieces.map(({ text }) => text.length),
      [4, 10_000, 4],
    );
    assert.deepEqual(counted, { written: 2, dropped: 1 });
  });

  it("has room for a source however much another has written", () => {
    let isDropped = false;
    const other = writer.open({ onLine: (result) => (isDropped ||= result === "dropped") });
    for (let n = 0; n < 200; n += 1) source.line(`${"y".repeat(99)}\n`);
    assert.equal(counted["dropped"], 100);
    other.line("mine\n");
    assert.equal(isDropped, false);
  });

  it("gives away all that is not being written, once", async () => {
    source.line("one\n");
    await turn();
    source.line("two\n");
    assert.equal(writer.takeRest().toString(), "two\n");
    pieces[0]?.done(Object.assign(new Error("later"), { code: "EAGAIN" }), 0);
    source.line("three\n");
    assert.equal(writer.takeRest().toString(), "one\nthree\n");
    clock.advance(20);
    assert.equal(pieces.length, 1);
  });

  it("lets sources say something last before all is taken, however much waits", () => {
    const last = writer.open({ onLine: () => undefined, mostBytes: 10, onRest: () => last.line("12 lost\n") });
    last.line("123456789\n");
    source.line("one\n");
    assert.equal(writer.takeRest().toString(), "123456789\none\n12 lost\n");
  });

  it("has a flush that ends with the last line, or with its time", async () => {
    source.line("one\n");
    let isFlushed = false;
    const flushed = writer.flush(1000).then(() => (isFlushed = true));
    await turn();
    assert.equal(isFlushed, false);
    pieces[0]?.done(null, 4);
    await flushed;
    source.line("two\n");
    await turn();
    const late = writer.flush(1000);
    clock.advance(1000);
    await late;
  });
});
