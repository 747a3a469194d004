import assert from "node:assert/strict";
import { parseSimpleHead, rawHeaders, simpleHeadBytes } from "./simple-request.ts";

const invoke = "POST /2015-03-31/functions/hello/invocations?Qualifier=1 HTTP/1.1\r\n";

describe("parseSimpleHead", () => {
  it("reads method, target, headers and the body's length", () => {
    const head = parseSimpleHead(`${invoke}Host: x\r\nContent-Length: 2\r\nX-A:  b, c\t\r\nConnection: keep-alive\r\n`);
    assert.equal(head?.method, "POST");
    assert.equal(head.url, "/2015-03-31/functions/hello/invocations?Qualifier=1");
    assert.deepEqual(
      { ...head.headers },
      { host: "x", "content-length": "2", "x-a": "b, c", connection: "keep-alive" },
    );
    assert.equal(head.contentLength, 2);
    assert.deepEqual(rawHeaders(head.lines).slice(0, 6), ["Host", "x", "Content-Length", "2", "X-A", "b, c"]);
  });

  it("a request without a length has no body", () => {
    assert.equal(parseSimpleHead("GET / HTTP/1.1\r\nHost: x\r\n")?.contentLength, 0);
  });

  const left: Record<string, string> = {
    "another method": "PUT / HTTP/1.1\r\nHost: x\r\n",
    "another version": "GET / HTTP/1.0\r\nHost: x\r\n",
    "the absolute form": "GET http://x/ HTTP/1.1\r\nHost: x\r\n",
    "no host": "GET / HTTP/1.1\r\nX-A: b\r\n",
    "an empty host": "GET / HTTP/1.1\r\nHost: \r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n",
    "two lengths": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
    "a length that is none": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n",
    "an empty length": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n",
    "a length of many digits": `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${"1".repeat(11)}\r\n`,
    chunks: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
    "an expectation": "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n",
    "an upgrade": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n",
    "a last request": "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
    "a folded header": "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost: x\r\nX-A : b\r\n",
    "a line end of LF alone": "GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n",
    "a CR within a line": "GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n",
    "a NUL": "GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n",
    "what is not ASCII": "GET / HTTP/1.1\r\nHost: x\r\nX-A: \xe9\r\n",
    "an empty line before": "\r\nGET / HTTP/1.1\r\nHost: x\r\n",
    "a header that is every object's": "GET / HTTP/1.1\r\nHost: x\r\n__proto__: y\r\n",
    "no header line": "GET / HTTP/1.1\r\nHost: x\r\nrubbish\r\n",
    "two spaces": "GET  / HTTP/1.1\r\nHost: x\r\n",
  };
  for (const [what, text] of Object.entries(left))
    it(`leaves ${what} to others`, () => assert.equal(parseSimpleHead(text), undefined));
});

describe("simpleHeadBytes", () => {
  it("counts the empty line, and nothing that is not whole or very long", () => {
    assert.equal(simpleHeadBytes(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\nbody")), 27);
    assert.equal(simpleHeadBytes(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n")), -1);
    assert.equal(simpleHeadBytes(Buffer.from(`GET / HTTP/1.1\r\nX: ${"x".repeat(17_000)}\r\n\r\n`)), -1);
  });
});
