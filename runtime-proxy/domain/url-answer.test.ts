import assert from "node:assert/strict";
import fc from "fast-check";
import { urlAnswer } from "./url-answer.ts";

function answerOf(value: unknown): ReturnType<typeof urlAnswer> {
  return urlAnswer(
    Buffer.from(typeof value === "string" && value.startsWith("raw:") ? value.slice(4) : JSON.stringify(value)),
  );
}
const json = { "content-type": "application/json" };

describe("urlAnswer", () => {
  const mapped: Record<string, { answer: unknown; status?: number; headers?: object; body: string }> = {
    "invoke-api 30: a text without its quotes": { answer: "hello", body: "hello" },
    "an object without statusCode": { answer: { b: 1, a: [2] }, body: '{"b":1,"a":[2]}' },
    "an object as it was written, but for white space": {
      answer: 'raw:{ "a" : [1.50, 12345678901234567890 ],\n"b c":"\\" \\\\", "ä": " " }\n',
      body: '{"a":[1.50,12345678901234567890],"b c":"\\" \\\\","ä":" "}',
    },
    "a number": { answer: 1.5, body: "1.5" },
    "a boolean": { answer: false, body: "false" },
    "a list": { answer: [{ statusCode: 500 }], body: '[{"statusCode":500}]' },
    null: { answer: null, body: "null" },
    "what is no JSON": { answer: "raw:hello, you", body: "hello, you" },
    "invoke-api 31: status, cookies and body": {
      answer: { statusCode: 201, cookies: ["a=1", "b=2"], body: "x" },
      status: 201,
      headers: { ...json, "set-cookie": ["a=1", "b=2"] },
      body: "x",
    },
    "a status as text": { answer: { statusCode: "404" }, status: 404, body: "" },
    "headers, whatever their case, in place of the usual type": {
      answer: {
        statusCode: 200,
        headers: { "Content-Type": "text/html", "X-Number": 7, "X-None": null, "X-List": [1, 2] },
      },
      headers: { "content-type": "text/html", "x-number": "7", "x-list": "1,2" },
      body: "",
    },
    "a Set-Cookie header besides cookies": {
      answer: { statusCode: 200, headers: { "Set-Cookie": "c=3" }, cookies: ["a=1"] },
      headers: { ...json, "set-cookie": ["c=3", "a=1"] },
      body: "",
    },
    "no header of the connection or of another length": {
      answer: {
        statusCode: 200,
        headers: { Connection: "X-Hop", "X-Hop": "1", "Content-Length": "99", "Transfer-Encoding": "x" },
      },
      headers: json,
      body: "",
    },
    "header values beyond Latin-1 as UTF-8": {
      answer: { statusCode: 200, headers: { "x-name": "日" } },
      headers: { ...json, "x-name": Buffer.from("日").toString("latin1") },
      body: "",
    },
    "header values of a quarter of a megabyte": {
      answer: { statusCode: 200, headers: { "x-name": "日".repeat(80_000) } },
      headers: { ...json, "x-name": Buffer.from("日".repeat(80_000)).toString("latin1") },
      body: "",
    },
    base64: {
      answer: { statusCode: 200, body: Buffer.from("bytes").toString("base64"), isBase64Encoded: true },
      body: "bytes",
    },
    "a body that is no text as JSON": { answer: { statusCode: 200, body: { a: 1 } }, body: '{"a":1}' },
  };
  for (const [title, { answer, status = 200, headers = json, body }] of Object.entries(mapped)) {
    it(title, () => {
      const { body: got, ...head } = answerOf(answer) ?? assert.fail("there is no answer");
      assert.deepEqual(head, { status, headers });
      assert.equal(Buffer.from(got ?? "").toString(), body);
    });
  }

  const refused: Record<string, object> = {
    "a status that is a word": { statusCode: "ok" },
    "a status that is null": { statusCode: null },
    "a status below 100": { statusCode: 99 },
    "an interim status, which a client would wait after": { statusCode: 101 },
    "a status above 599": { statusCode: 600 },
    "a status that is no whole number": { statusCode: 200.5 },
    "headers that are a list": { statusCode: 200, headers: ["a"] },
    "a header whose name is none": { statusCode: 200, headers: { "a b": "1" } },
    "a header that would be two": { statusCode: 200, headers: { a: "1\r\nb: 2" } },
    "a cookie that would be two headers": { statusCode: 200, cookies: ["a\r\nb: 2"] },
    "a header whose value is an object": { statusCode: 200, headers: { a: {} } },
    "a header whose value lists what has no text": { statusCode: 200, headers: { a: [{ toString: null }] } },
    "a cookie that has no text": { statusCode: 200, cookies: [{ toString: null }] },
    "more header values than any client takes": { statusCode: 200, headers: { a: "x".repeat(300_000) } },
    "more headers than any client takes": {
      statusCode: 200,
      headers: Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`h${at}`, null])),
    },
    "more cookies than any client takes": { statusCode: 200, cookies: Array.from({ length: 300_000 }, () => "") },
    "cookies that are no list": { statusCode: 200, cookies: "a=1" },
    "base64 that is none": { statusCode: 200, body: "ä", isBase64Encoded: true },
  };
  for (const [title, answer] of Object.entries(refused)) {
    it(`refuses ${title}`, () => assert.ok(answerOf(answer) === undefined));
  }

  it("refuses a header and a body that lie deeper than can be written", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    assert.equal(answerOf(`raw:{"statusCode":200,"headers":{"a":${deep}}}`), undefined);
    assert.equal(answerOf(`raw:{"statusCode":200,"body":${deep}}`), undefined);
  });

  it("passes on any JSON without statusCode as an equal one", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(typeof value !== "string");
        const { body = "" } = urlAnswer(Buffer.from(JSON.stringify(value, undefined, 2))) ?? {};
        assert.equal(Buffer.from(body).toString(), JSON.stringify(value));
      }),
    );
  });
});
