import assert from "node:assert/strict";
import fc from "fast-check";
import { JsonCheck } from "./json-check.ts";

function check(bytes: Uint8Array, chunkBytes = bytes.length || 1): ReturnType<JsonCheck["end"]> {
  const json = new JsonCheck();
  for (let at = 0; at < bytes.length; at += chunkBytes) json.push(bytes.subarray(at, at + chunkBytes));
  return json.end();
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("JsonCheck", () => {
  const messages: Record<string, { text: string; message: string }> = {
    "names the byte that is wrong": {
      text: "not json",
      message: "Unexpected 'o' at byte 1: 'true', 'false' or 'null' was expected",
    },
    "says that the end came early": {
      text: '{"a":',
      message: "Unexpected end of input at byte 5: a value was expected",
    },
    "refuses a second value": { text: "1 2", message: "Unexpected '2' at byte 2: the end of input was expected" },
    "refuses a control character": {
      text: '"\n"',
      message: "Unexpected byte 0x0a at byte 1: the rest of a string was expected",
    },
    "refuses a byte order mark": { text: "\ufeff{}", message: "Unexpected byte 0xef at byte 0: a value was expected" },
  };
  for (const [sentence, { text, message }] of Object.entries(messages)) {
    it(sentence, () => assert.deepEqual(check(Buffer.from(text)), { ok: false, message }));
  }

  it("accepts what JSON.stringify writes, in chunks of any size", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 2), (value, chunk, indent) => {
        assert.deepEqual(check(Buffer.from(JSON.stringify(value, null, indent)), chunk), { ok: true });
      }),
    );
  });

  it("agrees with JSON.parse on texts made of JSON's own pieces", () => {
    const piece = fc.constantFrom(
      ...'{}[],:"\\ \n\t0123456789.-+eEtfn/u'.split(""),
      ...["true", "false", "null", '"a"', '"a":', "\\u00e4", "1e5", "-0.5", "01", "ä"],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 3 }), (pieces, chunk) => {
        const text = pieces.join("");
        assert.equal(check(Buffer.from(text), chunk).ok, parses(text), text);
      }),
      { numRuns: 20_000 },
    );
  });

  it("agrees with JSON.parse on a JSON text with one byte changed", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.integer({ min: 0, max: 127 }), (text, place, byte) => {
        const bytes = Buffer.from(text.replace(/[^\x20-\x7e]/g, "x"));
        bytes[place % bytes.length] = byte;
        assert.equal(check(bytes).ok, parses(bytes.toString()), bytes.toString());
      }),
      { numRuns: 5000 },
    );
  });

  it("holds a megabyte of open brackets", () => {
    const depth = 1_000_000;
    assert.equal(check(Buffer.from("[".repeat(depth) + "]".repeat(depth)), 65_536).ok, true);
    assert.equal(check(Buffer.from("[".repeat(depth)), 65_536).ok, false);
  });
});
