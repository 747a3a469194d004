import assert from "node:assert/strict";
import fc from "fast-check";
import { PreludeReader, type PreludeProgress } from "./url-prelude.ts";

const nuls = Buffer.alloc(8);
const stream = (prelude: string, body: string | Buffer = ""): Buffer =>
  Buffer.concat([Buffer.from(prelude), nuls, Buffer.from(body)]);

/** Pushes until it is complete or broken; then what is left belongs to the body. */
function read(chunks: readonly Uint8Array[]): PreludeProgress & { readonly body?: string } {
  const reader = new PreludeReader();
  for (const [at, chunk] of chunks.entries()) {
    const progress = reader.push(chunk);
    if (progress.type === "broken") return progress;
    if (progress.type === "complete") {
      const body = Buffer.concat([progress.rest, ...chunks.slice(at + 1)]).toString("latin1");
      return { ...progress, body };
    }
  }
  return reader.end();
}

describe("PreludeReader", () => {
  const prelude = '{"statusCode":201,"headers":{"Content-Type":"text/plain"},"cookies":["a=1"]}';

  it("reads status, headers and cookies, and where the body begins, however the stream is cut", () => {
    const body = Buffer.from([0, 0, 1, 2, 0]);
    const whole = stream(prelude, body);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: whole.length })), (cuts) => {
        const ends = [...cuts, whole.length].sort((a, b) => a - b);
        const chunks = ends.map((end, at) => whole.subarray(ends[at - 1] ?? 0, end));
        const got = read(chunks);
        assert.equal(got.type, "complete");
        assert.equal(got.body, body.toString("latin1"));
        assert.deepEqual(got.head, {
          status: 201,
          headers: { "content-type": "text/plain", "set-cookie": ["a=1"] },
        });
      }),
    );
  });

  it("takes a prelude that says nothing for 200 and bytes", () => {
    const got = read([stream("{}")]);
    const want = { status: 200, headers: { "content-type": "application/octet-stream" } };
    assert.deepEqual(got.type === "complete" && got.head, want);
  });

  const broken: Record<string, { chunks: readonly Uint8Array[]; problem: RegExp }> = {
    "an empty stream": { chunks: [], problem: /ends after 0 bytes without 8 NULs/ },
    "seven NULs": { chunks: [Buffer.from(prelude), Buffer.alloc(7)], problem: /ends after \d+ bytes/ },
    "no JSON": { chunks: [stream("hello")], problem: /no JSON object/ },
    "a list": { chunks: [stream("[]")], problem: /no JSON object/ },
    "NULs interrupted": { chunks: [stream("{}\0\0\0\0x")], problem: /no JSON object/ },
    "a status that is none": { chunks: [stream('{"statusCode":"x"}')], problem: /cannot be sent/ },
    "a cookie that has no text": { chunks: [stream('{"cookies":[{"toString":null}]}')], problem: /cannot be sent/ },
    "more than it may have": { chunks: [Buffer.alloc(300 * 1024, "a")], problem: /no 8 NULs within/ },
  };
  for (const [title, { chunks, problem }] of Object.entries(broken)) {
    it(`is broken by ${title}`, () => {
      const got = read(chunks);
      assert.equal(got.type, "broken");
      assert.match(got.problem, problem);
    });
  }
});
