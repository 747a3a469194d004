import assert from "node:assert/strict";
import fc from "fast-check";
import { FramedLogReader } from "./telemetry-frames.ts";

interface Seen {
  readonly text: string;
  readonly timestampUs?: number;
}

const maxBytes = 16;

function frame(payload: Uint8Array | string, type = 0xa55a0003, timestampUs = 1_700_000_000_000_000n): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc((type & 0b10) === 0 ? 8 : 16);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(body.length, 4);
  if (head.length === 16) head.writeBigUInt64BE(timestampUs, 8);
  return Buffer.concat([head, body]);
}

function read(chunks: readonly Uint8Array[]): Seen[] {
  const seen: Seen[] = [];
  const reader = new FramedLogReader(maxBytes);
  const take: Parameters<FramedLogReader["push"]>[1] = ({ bytes, ...rest }) =>
    void seen.push({ text: Buffer.from(bytes).toString("latin1"), ...rest });
  for (const chunk of chunks) reader.push(chunk, take);
  reader.flush(take);
  return seen;
}

const timestampUs = 1_700_000_000_000_000;
const streams: Record<string, { bytes: readonly Buffer[]; want: readonly Seen[] }> = {
  "a frame is one record, whatever lines it has": {
    bytes: [frame("a\nb\rc")],
    want: [{ text: "a\nb\rc\n", timestampUs }],
  },
  "its own line break at the end is enough": { bytes: [frame("a\n")], want: [{ text: "a\n", timestampUs }] },
  "levels and JSON are frames too": {
    bytes: [frame("a", 0xa55a0013), frame("{}", 0xa55a0002)],
    want: [
      { text: "a\n", timestampUs },
      { text: "{}\n", timestampUs },
    ],
  },
  "a frame without a timestamp has a short head": { bytes: [frame("a", 0xa55a0001)], want: [{ text: "a\n" }] },
  "an empty payload is an empty line": { bytes: [frame("")], want: [{ text: "\n", timestampUs }] },
  "what is too long goes on in a further record": {
    bytes: [frame("0123456789abcdefXYZ")],
    want: [
      { text: "0123456789abcdef", timestampUs },
      { text: "XYZ\n", timestampUs },
    ],
  },
  "bytes between frames are lines of text": {
    bytes: [Buffer.from("by hand\nand"), frame("a"), Buffer.from("rest")],
    want: [{ text: "by hand\n" }, { text: "and" }, { text: "a\n", timestampUs }, { text: "rest" }],
  },
  "what only begins like a frame is text": {
    bytes: [Buffer.from([0xa5, 0x5a, 0x00, 0xff]), frame("a")],
    want: [{ text: "\xa5\x5a\x00\xff" }, { text: "a\n", timestampUs }],
  },
  "a head inside what looked like one is found": {
    bytes: [Buffer.from([0xa5, 0xa5, 0x5a]), frame("a")],
    want: [{ text: "\xa5\xa5\x5a" }, { text: "a\n", timestampUs }],
  },
  "a head with a length beyond reason is text": {
    bytes: [Buffer.from([0xa5, 0x5a, 0, 3, 0xff, 0xff, 0xff, 0xff, 0x0a]), frame("a")],
    want: [{ text: "\xa5\x5a\0\x03\xff\xff\xff\xff\n" }, { text: "a\n", timestampUs }],
  },
  "an end inside a frame gives what came": {
    bytes: [frame("abc").subarray(0, 18)],
    want: [{ text: "ab\n", timestampUs }],
  },
  "an end inside a head gives its bytes": {
    bytes: [frame("abc").subarray(0, 5)],
    want: [{ text: "\xa5\x5a\0\x03\0" }],
  },
};

describe("FramedLogReader", () => {
  for (const [title, { bytes, want }] of Object.entries(streams)) {
    it(title, () => assert.deepEqual(read(bytes), want));
  }

  it("how bytes are chunked makes no difference", () => {
    const noise = fc
      .array(fc.constantFrom(0xa5, 0x5a, 0x00, 0x03, 0x0a, 0x61), { maxLength: 12 })
      .map((bytes) => Buffer.from(bytes));
    const framed = fc
      .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0xa55a0001, 0xa55a0003, 0xa55a001f))
      .map(([payload, type]) => frame(payload, type));
    const cuts = fc.array(fc.nat({ max: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.oneof(framed, noise), { maxLength: 8 }), cuts, (parts, at) => {
        const whole = Buffer.concat(parts);
        const places = [0, ...at.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
        const chunks = places.slice(1).map((end, n) => whole.subarray(places[n], end));
        const seen = read(chunks);
        assert.deepEqual(seen, read([whole]));
        for (const { text } of seen) assert.ok(text.replace(/\n$/, "").length <= maxBytes, JSON.stringify(text));
      }),
      { numRuns: 3000 },
    );
  });

  it("frames alone come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: maxBytes - 1 }), { maxLength: 8 }), (payloads) => {
        const seen = read([Buffer.concat(payloads.map((payload) => frame(payload)))]).map(({ text }) => text);
        const texts = payloads.map((payload) => Buffer.from(payload).toString("latin1"));
        assert.deepEqual(
          seen,
          texts.map((text) => (text.endsWith("\n") ? text : `${text}\n`)),
        );
      }),
    );
  });
});
