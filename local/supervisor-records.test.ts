import assert from "node:assert/strict";
import { RecordReader } from "./supervisor-records.ts";

const textWithTime = 0xa55a0003;
const long = "0123456789".repeat(30_000);

describe("records of the runtime clients", () => {
  const cases: Record<string, { stream: Buffer; want: string }> = {
    "telemetry-api 4: a text is a line": { stream: record("hello"), want: "hello\n" },
    "one that ends its line has no other": { stream: record("hello\n"), want: "hello\n" },
    "an empty one is an empty line": { stream: record(""), want: "\n" },
    "levels, JSON and no time": {
      stream: Buffer.concat([record("a", 0xa55a001f), record("b", 0xa55a0000), record("c", 0xa55a0001)]),
      want: "a\nb\nc\n",
    },
    "garbage goes through": {
      stream: Buffer.concat([Buffer.from("x\n"), record("a"), Buffer.from([0xa5, 0x5a, 0, 0x20]), record("b")]),
      want: "x\na\n\xa5Z\0 b\n",
    },
    "a length out of all bounds is garbage": {
      stream: Buffer.concat([Buffer.from([0xa5, 0x5a, 0, 3, 0xff, 0xff, 0xff, 0xff]), record("a")]),
      want: "\xa5Z\0\x03\xff\xff\xff\xffa\n",
    },
    "a head that is cut": { stream: record("a").subarray(0, 7), want: "\xa5Z\0\x03\0\0\0" },
    "a record that is cut": { stream: record("hello").subarray(0, 18), want: "he\n" },
    "a record cut after its head": { stream: record("hello").subarray(0, 16), want: "" },
    "one too long to be held": { stream: Buffer.concat([record(long), record("a")]), want: `${long}\na\n` },
    "a long one that is cut": { stream: record(long).subarray(0, 290_016), want: `${long.slice(0, 290_000)}\n` },
    "a long one cut after its head": { stream: record(long).subarray(0, 16), want: "" },
  };
  for (const [title, { stream, want }] of Object.entries(cases)) {
    for (const piece of stream.length > 1000 ? [999, 65_536, 1_000_000] : [1, 3, 17, 1000]) {
      it(`${title}, in pieces of ${piece}`, () => {
        assert.equal(textOf(stream, piece), want);
      });
    }
  }
});

function textOf(stream: Buffer, piece: number): string {
  const reader = new RecordReader();
  const texts: Buffer[] = [];
  for (let at = 0; at < stream.length; at += piece) texts.push(reader.take(stream.subarray(at, at + piece)));
  return Buffer.concat([...texts, reader.finish()]).toString("latin1");
}

function record(text: string, type = textWithTime): Buffer {
  const head = Buffer.alloc((type & 2) === 0 ? 8 : 16);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text, "latin1")]);
}
