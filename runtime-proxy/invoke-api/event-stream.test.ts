import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { encodeEventHeaders, encodeEventMessage } from "./event-stream.ts";

describe("event stream messages", () => {
  // Vectors of the encoding's own test suite: aws-c-event-stream, empty_message and one with a payload and a text header.
  const vectors: Record<string, { headers: Record<string, string>; payload: string; hex: string }> = {
    empty: { headers: {}, payload: "", hex: "000000100000000005c248eb7d98c8ff" },
    "a payload alone": {
      headers: {},
      payload: "{'foo':'bar'}",
      hex: "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
    },
    "a text header and a payload": {
      headers: { "content-type": "application/json" },
      payload: "{'foo':'bar'}",
      hex: "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
    },
  };
  for (const [title, { headers, payload, hex }] of Object.entries(vectors)) {
    it(`encodes ${title}`, () => {
      assert.equal(encodeEventMessage(encodeEventHeaders(headers), Buffer.from(payload)).toString("hex"), hex);
    });
  }

  it("counts bytes, not characters", () => {
    const headers = encodeEventHeaders({ ":ü": "ä€" });
    assert.equal(headers.toString("hex"), "033ac3bc070005c3a4e282ac");
    const message = encodeEventMessage(headers, Buffer.from("ö"));
    assert.equal(message.readUInt32BE(0), message.length);
    assert.equal(message.readUInt32BE(4), headers.length);
    assert.equal(message.readUInt32BE(8), crc32(message.subarray(0, 8)));
    assert.equal(message.readUInt32BE(message.length - 4), crc32(message.subarray(0, -4)));
  });

  it("takes a view of a larger buffer", () => {
    const view = Buffer.from("before payload after").subarray(7, 14);
    const headers = encodeEventHeaders({ a: "b" });
    assert.deepEqual(encodeEventMessage(headers, view), encodeEventMessage(headers, Buffer.from("payload")));
  });
});
