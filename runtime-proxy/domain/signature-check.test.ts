import assert from "node:assert/strict";
import type { SignatureClaim } from "./request-credentials.ts";
import { checkClaim, signatureMismatch } from "./signature-check.ts";

const now = Date.parse("2026-11-25T12:00:00Z");

function claim(changes: Partial<SignatureClaim> = {}, scope: Partial<SignatureClaim["scope"]> = {}): SignatureClaim {
  return {
    form: "header",
    accessKeyId: "KLAKAAAAAAAAAAAAAAAA",
    scope: { date: "20261125", region: "us-east-1", service: "lambda", end: "aws4_request", ...scope },
    signedHeaders: ["host"],
    signature: "",
    signedAt: "20261125T120000Z",
    ...changes,
  };
}

const cases: Record<string, { claim: SignatureClaim; want: string | undefined }> = {
  "of now": { claim: claim(), want: undefined },
  "of five minutes ago": { claim: claim({ signedAt: "20261125T115500Z" }), want: undefined },
  "of a second more": {
    claim: claim({ signedAt: "20261125T115459Z" }),
    want: "Signature expired: 20261125T115459Z is now earlier than 20261125T115500Z (20261125T120000Z - 5 min.)",
  },
  "of five minutes ahead": { claim: claim({ signedAt: "20261125T120500Z" }), want: undefined },
  "of a second more ahead": {
    claim: claim({ signedAt: "20261125T120501Z" }),
    want: "Signature not yet current: 20261125T120501Z is still later than 20261125T120500Z (20261125T120000Z + 5 min.)",
  },
  "presigned for an hour, 59 minutes ago": {
    claim: claim({ signedAt: "20261125T110100Z", expiresSeconds: 3600 }),
    want: undefined,
  },
  "presigned for a minute, two minutes ago": {
    claim: claim({ signedAt: "20261125T115800Z", expiresSeconds: 60 }),
    want: "Signature expired: 20261125T115800Z is now earlier than 20261125T115900Z (20261125T120000Z - 60 s)",
  },
  "of another place in every way": {
    claim: claim({}, { date: "20261124", region: "eu-west-1", service: "s3", end: "aws5_request" }),
    want: "Credential should be scoped to a valid region, not 'eu-west-1'. Credential should be scoped to correct service: 'lambda'. Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261124' != '20261125', from '20261125T120000Z'.",
  },
};

describe("a signature", () => {
  for (const [what, { claim: given, want }] of Object.entries(cases)) {
    it(`${what} ${want === undefined ? "is looked at" : "is refused"}`, () => {
      const refusal = checkClaim(given, "us-east-1", now);
      assert.equal(refusal?.message, want);
      assert.ok(refusal === undefined || refusal.code === "InvalidSignatureException");
    });
  }

  it("that does not match is told what should have been signed, without session tokens, in bounds", () => {
    const canonical = "POST\n/\nX-Amz-Security-Token=secret&a=1\nhost:x\nx-amz-security-token:secret\n\nhost\nabc";
    const { message } = signatureMismatch(canonical, "AWS4-HMAC-SHA256\nx");
    assert.match(message, /^The request signature we calculated does not match the signature you provided\./);
    assert.match(message, /The Canonical String for this request should have been\n'POST\n\//);
    assert.match(message, /The String-to-Sign should have been\n'AWS4-HMAC-SHA256\nx'\n$/);
    assert.doesNotMatch(message, /secret&|:secret/);
    assert.ok(signatureMismatch("x".repeat(10_000), "y").message.length < 250);
  });
});
