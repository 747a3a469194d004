import assert from "node:assert/strict";
import fc from "fast-check";
import { urlEvent, type UrlCall, type UrlRequest } from "./url-event.ts";

const id = "0123456789abcdefghijklmnopqrstuv";
const call: UrlCall = {
  urlId: id,
  accountId: "anonymous",
  requestId: "r-1",
  ownHeaders: { "x-forwarded-for": "203.0.113.9" },
  sourceIp: "203.0.113.9",
  nowMs: 1_795_406_706_123,
  now: "2026-11-23T04:05:06.123Z",
};

interface Event {
  readonly headers: Record<string, string>;
  readonly cookies?: readonly string[];
  readonly rawQueryString: string;
  readonly queryStringParameters?: Record<string, string>;
  readonly requestContext: { readonly http: Record<string, string>; readonly domainName: string };
  readonly body?: string;
  readonly isBase64Encoded: boolean;
}

function eventOf(
  changes: Partial<Omit<UrlRequest, "body">> & { body?: Uint8Array | string } = {},
  callChanges: Partial<UrlCall> = {},
): Event {
  const { body = "", ...others } = changes;
  const request = { method: "GET", path: "/", query: "", rawHeaders: ["Host", "x"], httpVersion: "1.1", ...others };
  return urlEvent({ ...request, body: Buffer.from(body) }, { ...call, ...callChanges }) as Event;
}

describe("urlEvent", () => {
  it("invoke-api 29: has every member of payload format 2.0", () => {
    const rawHeaders = [
      "Host",
      `${id}.lambda-url.eu-west-1.on.aws:8443`,
      "Accept",
      "a",
      "User-Agent",
      "curl/8",
      "accept",
      "b",
    ];
    assert.deepEqual(
      eventOf({ path: "/a%2Fb", query: "k=1&k=2&x=", rawHeaders: [...rawHeaders, "Cookie", "c1=v1; c2=v2"] }),
      {
        version: "2.0",
        routeKey: "$default",
        rawPath: "/a%2Fb",
        rawQueryString: "k=1&k=2&x=",
        cookies: ["c1=v1", "c2=v2"],
        headers: {
          host: `${id}.lambda-url.eu-west-1.on.aws:8443`,
          accept: "a,b",
          "user-agent": "curl/8",
          "x-forwarded-for": "203.0.113.9",
        },
        queryStringParameters: { k: "1,2", x: "" },
        requestContext: {
          accountId: "anonymous",
          apiId: id,
          domainName: `${id}.lambda-url.eu-west-1.on.aws`,
          domainPrefix: id,
          http: { method: "GET", path: "/a%2Fb", protocol: "HTTP/1.1", sourceIp: "203.0.113.9", userAgent: "curl/8" },
          requestId: "r-1",
          routeKey: "$default",
          stage: "$default",
          time: "23/Nov/2026:04:05:06 +0000",
          timeEpoch: 1_795_406_706_123,
        },
        isBase64Encoded: false,
      },
    );
  });

  it("has no cookies, query or body where there are none", () => {
    const event = eventOf({ rawHeaders: ["Host", "x", "Cookie", " ; "] });
    for (const member of ["cookies", "queryStringParameters", "body"]) assert.equal(member in event, false, member);
  });

  it("has the cookies of all Cookie headers", () => {
    const { cookies, headers } = eventOf({ rawHeaders: ["cookie", "a=1;b=2", "COOKIE", "c=ü".normalize()] });
    assert.deepEqual(cookies, ["a=1", "b=2", "c=ü"]);
    assert.equal("cookie" in headers, false);
  });

  it("leaves out what belongs to the connection, also what Connection names", () => {
    const rawHeaders = ["Connection", "keep-alive, X-Hop", "X-Hop", "1", "Keep-Alive", "timeout=5", "TE", "trailers"];
    const more = ["Transfer-Encoding", "chunked", "Upgrade", "h2c", "Expect", "100-continue", "X-Stays", "1"];
    assert.deepEqual(Object.keys(eventOf({ rawHeaders: [...rawHeaders, ...more] }).headers), [
      "x-stays",
      "x-forwarded-for",
    ]);
  });

  it("puts its own headers in place of the client's", () => {
    assert.equal(eventOf({ rawHeaders: ["X-Forwarded-For", "6.6.6.6"] }).headers["x-forwarded-for"], "203.0.113.9");
    const none = eventOf({ rawHeaders: ["X-Own", "1", "X-A", "1"] }, { ownHeaders: { "x-own": undefined } });
    assert.deepEqual(none.headers, { "x-a": "1" });
  });

  describe("of a caller whose credentials were for the router", () => {
    const signature = "AWS4-HMAC-SHA256 Credential=KLAK/20261125/us-east-1/lambda/aws4_request, Signature=00";
    const headersOf = (rawHeaders: readonly string[], withholdsCredentials = true): object => {
      const { "x-forwarded-for": _, ...headers } = eventOf({ rawHeaders }, { withholdsCredentials }).headers;
      return headers;
    };

    it("has no bearer token and no session token, and a signature as it is", () => {
      for (const bearer of ["Bearer e30.e30.AAAA", "bEARER e30.e30.AAAA"])
        assert.deepEqual(headersOf(["AUTHORIZATION", bearer, "X-A", "1"]), { "x-a": "1" }, bearer);
      const signed = ["Authorization", signature, "X-Amz-Date", "20261125T235958Z", "X-Amz-Security-Token", "e30.AAAA"];
      assert.deepEqual(headersOf(signed), { authorization: signature, "x-amz-date": "20261125T235958Z" });
    });

    it("has all of a query but its session token, as sent", () => {
      const query = "a=%2f&&X-Amz-Algorithm=AWS4-HMAC-SHA256&x%2Damz-security-token=e30.AAAA&X-Amz-Signature=00&b=+";
      const event = eventOf({ query }, { withholdsCredentials: true });
      assert.equal(event.rawQueryString, "a=%2f&&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&b=+");
      const names = ["a", "X-Amz-Algorithm", "X-Amz-Signature", "b"];
      assert.deepEqual(Object.keys(event.queryStringParameters ?? {}), names);
      assert.equal(eventOf({ query }).rawQueryString, query, "where the function asks for credentials itself");
    });

    it("has all of them where the function asks for credentials itself", () => {
      const rawHeaders = ["authorization", "Bearer e30.e30.AAAA", "x-amz-security-token", "e30.AAAA"];
      const want = { authorization: "Bearer e30.e30.AAAA", "x-amz-security-token": "e30.AAAA" };
      assert.deepEqual(headersOf(rawHeaders, false), want);
    });
  });

  it("decodes query parameters, whatever their names", () => {
    const { queryStringParameters } = eventOf({ query: "a+b=%C3%A4&__proto__=1&%=2&=3&q" });
    assert.deepEqual(
      Object.entries(queryStringParameters ?? {}),
      Object.entries({ "a b": "ä", ["__proto__"]: "1", "%": "2", "": "3", q: "" }),
    );
  });

  const bodies: Record<string, { type?: string; body: Uint8Array | string; isBase64: boolean }> = {
    "JSON as text": { type: "application/json; charset=utf-8", body: '{"a":"ä"}', isBase64: false },
    "any text as text": { type: "Text/CSV", body: "a;b", isBase64: false },
    "XML as text": { type: "application/xml", body: "<a/>", isBase64: false },
    "JavaScript as text": { type: "application/javascript", body: "1", isBase64: false },
    "a form in base64": { type: "application/x-www-form-urlencoded", body: "a=1", isBase64: true },
    "parts in base64": { type: "multipart/form-data; boundary=x", body: "--x--", isBase64: true },
    "what has no type in base64": { body: "a", isBase64: true },
    "text that is no UTF-8 in base64": { type: "text/plain", body: Buffer.from([0x61, 0xff]), isBase64: true },
    "text that begins with a BOM as it is": { type: "text/plain", body: "\ufeffa", isBase64: false },
  };
  for (const [title, { type, body, isBase64 }] of Object.entries(bodies)) {
    it(`passes ${title}`, () => {
      const event = eventOf({ rawHeaders: type === undefined ? [] : ["Content-Type", type], body });
      assert.equal(event.isBase64Encoded, isBase64);
      const want = Buffer.from(body);
      assert.deepEqual(Buffer.from(event.body ?? "", isBase64 ? "base64" : "utf8"), want);
    });
  }

  it("loses no byte of a body, whatever its type", () => {
    const types = fc.constantFrom("text/plain", "application/json", "application/octet-stream", "");
    fc.assert(
      fc.property(fc.uint8Array(), types, (body, type) => {
        const event = eventOf({ rawHeaders: ["content-type", type], body });
        const text = JSON.parse(JSON.stringify(event)) as Event;
        assert.deepEqual(Buffer.from(text.body ?? "", text.isBase64Encoded ? "base64" : "utf8"), Buffer.from(body));
      }),
    );
  });
});
