import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { SentParts } from "./canonical-request.ts";
import { readCredentials, type RequestCredentials } from "./request-credentials.ts";

const digest = (text: string): string => createHash("sha256").update(text).digest("base64");
const credential = "KLAKAAAAAAAAAAAAAAAA/20261125/us-east-1/lambda/aws4_request";
const signed = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date, Signature=${"a".repeat(64)}`;
const host = ["Host", "lambda.test"];
const date = ["X-Amz-Date", "20261125T120000Z"];

function read(headers: readonly string[], query = ""): RequestCredentials {
  const sent: SentParts = { method: "POST", path: "/", query, headers };
  return readCredentials(sent, digest);
}

function refusal(headers: readonly string[], query = ""): string {
  const credentials = read(headers, query);
  return credentials.kind === "refused"
    ? `${credentials.refusal.code} ${credentials.refusal.message}`
    : credentials.kind;
}

const presigned = (changes: Readonly<Record<string, string | undefined>> = {}): string => {
  const all: Record<string, string | undefined> = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": credential,
    "X-Amz-Date": "20261125T120000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "b".repeat(64),
    ...changes,
  };
  const there = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new URLSearchParams(there).toString();
};

describe("the credentials of a request", () => {
  it("are none, a bearer token, or a signature in header or query", () => {
    assert.deepEqual(read(host), { kind: "none" });
    assert.deepEqual(read([...host, "Authorization", "bearer a.b-c_d"]), { kind: "bearer", token: "a.b-c_d" });
    const inHeader = read([...host, ...date, "authorization", signed, "x-amz-security-token", "t"]);
    assert.deepEqual(inHeader, {
      kind: "signature",
      claim: {
        form: "header",
        accessKeyId: "KLAKAAAAAAAAAAAAAAAA",
        scope: { date: "20261125", region: "us-east-1", service: "lambda", end: "aws4_request" },
        signedHeaders: ["host", "x-amz-date"],
        signature: "a".repeat(64),
        signedAt: "20261125T120000Z",
        sessionToken: "t",
      },
    });
    const inQuery = read(host, presigned());
    assert.equal(inQuery.kind === "signature" && inQuery.claim.form, "query");
    assert.equal(inQuery.kind === "signature" && inQuery.claim.expiresSeconds, 60);
  });

  it("take the Date header in place of X-Amz-Date", () => {
    const header = signed.replace("x-amz-date", "date");
    const credentials = read([...host, "Date", "Wed, 25 Nov 2026 12:00:00 GMT", "Authorization", header]);
    assert.equal(credentials.kind === "signature" && credentials.claim.signedAt, "20261125T120000Z");
  });

  const hashed = (text: string): string => `(hashed with SHA-256 and encoded with Base64): '${digest(text)}'.`;
  const missingAll =
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. ";
  const noDate = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  const cases: Record<string, { headers: readonly string[]; query?: string; want: string }> = {
    "another scheme": {
      headers: [...host, "Authorization", "Basic dTpw"],
      want: `IncompleteSignatureException ${missingAll}${noDate}Authorization ${hashed("Basic dTpw")}`,
    },
    "an empty header": {
      headers: [...host, ...date, "Authorization", ""],
      want: `IncompleteSignatureException ${missingAll}Authorization ${hashed("")}`,
    },
    "a part without its equal sign": {
      headers: [...host, ...date, "Authorization", "AWS4-HMAC-SHA256 Credential, Signature=b"],
      want: `IncompleteSignatureException Invalid key=value pair (missing equal-sign) in Authorization header ${hashed("AWS4-HMAC-SHA256 Credential, Signature=b")}`,
    },
    "another algorithm": {
      headers: [...host, ...date, "Authorization", signed.replace("SHA256", "SHA25")],
      want: "IncompleteSignatureException Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ",
    },
    "a scope of four parts": {
      headers: [...host, ...date, "Authorization", signed.replace("/lambda", "")],
      want: `IncompleteSignatureException Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '${credential.replace("/lambda", "")}'`,
    },
    "a host that is not signed": {
      headers: [...host, ...date, "Authorization", signed.replace("host;", "")],
      want: "InvalidSignatureException 'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    },
    "a signed header that is not there": {
      headers: [...host, ...date, "Authorization", signed.replace("host;", "accept;host;")],
      want: "IncompleteSignatureException 'accept' is named as a SignedHeader, but it does not exist in the HTTP request.",
    },
    "a date that is none": {
      headers: [...host, "X-Amz-Date", "20261325T120000Z", "Authorization", signed],
      want: "IncompleteSignatureException Date must be in ISO-8601 'basic format'. Got '20261325T120000Z'. See http://en.wikipedia.org/wiki/ISO_8601",
    },
    "a payload in signed chunks": {
      headers: [
        ...host,
        ...date,
        "Authorization",
        signed,
        "x-amz-content-sha256",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      ],
      want: "IncompleteSignatureException x-amz-content-sha256 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' is not supported: send the payload in one piece with a SHA-256 in hex or UNSIGNED-PAYLOAD.",
    },
    "a hash that is none": {
      headers: [...host, ...date, "Authorization", signed, "x-amz-content-sha256", "abc"],
      want: "IncompleteSignatureException x-amz-content-sha256 must be a SHA-256 in hex or UNSIGNED-PAYLOAD, got 'abc'.",
    },
    "two Authorization headers": {
      headers: [...host, ...date, "Authorization", signed, "authorization", signed],
      want: "IncompleteSignatureException The header 'authorization' must be sent once.",
    },
    "a huge Authorization header": {
      headers: [...host, ...date, "Authorization", `AWS4-HMAC-SHA256 Credential=${"x".repeat(20_000)}`],
      want: "IncompleteSignatureException Authorization header must be at most 16384 characters long.",
    },
    "a bearer token with what none has": {
      headers: [...host, "Authorization", "Bearer ü"],
      want: "IncompleteSignatureException Bearer token is malformed or too long.",
    },
    "both forms": {
      headers: [...host, ...date, "Authorization", signed],
      query: presigned(),
      want: "InvalidSignatureException Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    },
    "half of the query": {
      headers: host,
      query: "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261125T120000Z&X-Amz-Credential=a",
      want: "IncompleteSignatureException AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
    },
    "eight days": {
      headers: host,
      query: presigned({ "X-Amz-Expires": "691200" }),
      want: "IncompleteSignatureException X-Amz-Expires must be a number of seconds from 1 to 604800 (7 days).",
    },
  };
  for (const [what, { headers, query, want }] of Object.entries(cases)) {
    it(`are refused as AWS refuses them: ${what}`, () => {
      assert.equal(refusal(headers, query), want);
    });
  }
});
