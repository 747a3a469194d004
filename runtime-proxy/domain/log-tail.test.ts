import assert from "node:assert/strict";
import fc from "fast-check";
import { LOG_TAIL_BYTES, LogTail } from "./log-tail.ts";

describe("LogTail", () => {
  it("keeps the last bytes, however they came", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 6 }), (sizes) => {
        const tail = new LogTail();
        let at = 0;
        const pieces = sizes.map((size) => Uint8Array.from({ length: size }, () => at++ % 251));
        for (const piece of pieces) tail.append(piece);
        const all = Buffer.concat(pieces);
        assert.deepEqual(Buffer.from(tail.bytes()), all.subarray(Math.max(0, all.length - LOG_TAIL_BYTES)));
      }),
    );
  });

  it("begins a line of the platform's where none is under way", () => {
    const tail = new LogTail();
    for (const line of ["START\n", "END\n"]) tail.appendLine(Buffer.from(line));
    tail.append(Buffer.from("unfinished"));
    tail.appendLine(Buffer.from("REPORT\n"));
    assert.equal(Buffer.from(tail.bytes()).toString(), "START\nEND\nunfinished\nREPORT\n");
  });
});
