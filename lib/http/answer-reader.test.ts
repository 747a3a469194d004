import assert from "node:assert/strict";
import fc from "fast-check";
import { AnswerFormatError, AnswerReader, type AnswerFields } from "./answer-reader.ts";

interface Heard {
  status: number;
  headers: AnswerFields;
  body: string;
  trailers?: AnswerFields;
  isLast?: boolean;
}

/** The answers in what comes in these pieces. */
function read(...pieces: readonly (string | Buffer)[]): Heard[] {
  const heard: Heard[] = [];
  const reader = new AnswerReader(1000);
  for (const piece of pieces)
    reader.push(Buffer.from(piece as string, "latin1"), {
      head: (status, headers) => heard.push({ status, headers, body: "" }),
      data: (chunk) => (heard.at(-1)!.body += chunk.toString("latin1")),
      end: (trailers, isLast) => Object.assign(heard.at(-1)!, { trailers: { ...trailers }, isLast }),
    });
  return heard;
}

const whole = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-A:  1 \r\nContent-Length: 4\r\n\r\n"ok"';
const chunked =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nab\r\n00A\r\n0123456789\r\n0\r\nA: b\r\n\r\n";

describe("AnswerReader", () => {
  it("reads a body of a known length", () => {
    const headers = { "content-type": "application/json", "x-a": "1", "content-length": "4" };
    assert.deepEqual(read(whole), [{ status: 200, headers, body: '"ok"', trailers: {}, isLast: false }]);
  });

  it("reads chunks and their trailers", () => {
    const [answer] = read(chunked);
    assert.equal(answer?.body, "ab0123456789");
    assert.deepEqual(answer.trailers, { a: "b" });
  });

  it("reads one answer after the other, and those without a body", () => {
    const answers = read(
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 503 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      whole,
    );
    assert.deepEqual(
      answers.map(({ status, body, isLast }) => [status, body, isLast]),
      [
        [204, "", false],
        [503, "", true],
        [200, "", false],
        [200, '"ok"', false],
      ],
    );
  });

  it("joins what is repeated", () => {
    assert.equal(read("HTTP/1.1 204 X\r\nA: 1\r\na: 2\r\n\r\n")[0]?.headers["a"], "1, 2");
  });

  it("reads the same however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(whole, chunked), fc.array(fc.nat(200), { maxLength: 12 }), (text, cuts) => {
        const places = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((place, i) => text.slice(places[i], place));
        assert.deepEqual(read(...pieces), read(text));
      }),
    );
  });

  const bad: Record<string, string> = {
    "another version": "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "an answer before the answer": "HTTP/1.1 100 Continue\r\n\r\n",
    "no status": "HTTP/1.1 OK\r\n\r\n",
    "no length": "HTTP/1.1 200 OK\r\n\r\n",
    "a length that is none": "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a coding that nobody undoes": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "a header that is none": "HTTP/1.1 200 OK\r\nrubbish\r\nContent-Length: 0\r\n\r\n",
    "a folded header": "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a size that is none": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a size without end": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(20)}`,
    "a chunk that is too long": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "headers without end": `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(200)}`,
    "trailers without end": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${"A: b\r\n".repeat(200)}`,
    "what follows an answer": `${whole}HTTP`,
  };
  for (const [what, text] of Object.entries(bad))
    it(`refuses ${what}`, () => assert.throws(() => read(text), AnswerFormatError));
});
