import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_MAX_FRAME_BYTES, encodeFrame, FrameReader, FrameTooLargeError, type Frame } from "./frames.ts";

describe("frames", () => {
  it("come back as they were sent, however the stream is cut", () => {
    const anyFrame = fc.record({
      kind: fc.constantFrom("A", "O", "~"),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 200 })), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(({ kind, payload }) => encodeFrame(kind, payload)));
        const reader = new FrameReader();
        const got = cutInto(stream, cuts).flatMap((chunk) => reader.push(chunk));
        assert.deepEqual(got.map(plain), sent.map(plain));
        assert.equal(reader.heldBytes, 0);
      }),
    );
  });

  it("carry text as UTF-8, half a character as what stands for one", () => {
    const bytes = encodeFrame("W", "Zoë 😀 \ud83d");
    assert.deepEqual(bytes, encodeFrame("W", Buffer.from("Zoë 😀 \ud83d")));
    assert.equal(new FrameReader().push(bytes)[0]!.payload.toString(), "Zoë 😀 \ufffd");
  });

  it("carry an object as JSON and take the largest length there may be", () => {
    const [hello] = new FrameReader().push(encodeFrame("H", { text: "ü\n$(X)" }));
    assert.deepEqual(JSON.parse(hello!.payload.toString()), { text: "ü\n$(X)" });
    const [largest] = new FrameReader().push(encodeFrame("W", Buffer.alloc(DEFAULT_MAX_FRAME_BYTES - 1)));
    assert.equal(largest!.payload.length, DEFAULT_MAX_FRAME_BYTES - 1);
  });

  it("are views of the chunk when they came in one piece", () => {
    const chunk = encodeFrame("W", Buffer.from("abc"));
    const [frame] = new FrameReader().push(chunk);
    chunk.write("x", 5);
    assert.equal(frame!.payload.toString(), "xbc");
  });

  it("are refused by their length alone, before the rest has come", () => {
    assert.throws(() => encodeFrame("W", Buffer.alloc(DEFAULT_MAX_FRAME_BYTES)), FrameTooLargeError);
    assert.throws(() => new FrameReader().push(Buffer.from([0x00, 0x10, 0x00, 0x01])), {
      name: "FrameTooLargeError",
      message: "Cannot read frame: it has 1048577 bytes, right is 1 to 1048576",
    });
    assert.throws(() => new FrameReader().push(Buffer.from([0, 0, 0, 0])), FrameTooLargeError);
    assert.throws(() => new FrameReader(10).push(Buffer.from([0, 0, 0, 11])), FrameTooLargeError);
  });

  it("have a kind of one ASCII character", () => {
    for (const kind of ["", "AB", "ü", "\n"]) assert.throws(() => encodeFrame(kind, {}), RangeError);
  });
});

function cutInto(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let offset = 0;
  for (const size of cuts) {
    chunks.push(stream.subarray(offset, offset + size));
    offset += size;
  }
  return [...chunks, stream.subarray(offset)];
}

function plain({ kind, payload }: Frame): { kind: string; hex: string } {
  return { kind, hex: payload.toString("hex") };
}
