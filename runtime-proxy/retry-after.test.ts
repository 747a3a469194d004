import assert from "node:assert/strict";
import { parseRetryAfter } from "./retry-after.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");
const cases: Record<string, { header: string | undefined; want: number | undefined }> = {
  "reads seconds": { header: "120", want: 120_000 },
  "reads a date": { header: "Thu, 01 Jan 2026 00:00:30 GMT", want: 30_000 },
  "takes a date that is over for now": { header: "Wed, 31 Dec 2025 00:00:00 GMT", want: 0 },
  "cuts what is longer than an hour": { header: "999999999", want: 3_600_000 },
  "says nothing without one": { header: undefined, want: undefined },
  "passes over what it does not know": { header: "soon", want: undefined },
  "passes over a negative one": { header: "-5", want: undefined },
};

describe("a server's wish to be left alone", () => {
  for (const [what, { header, want }] of Object.entries(cases))
    it(what, () => assert.equal(parseRetryAfter(header, nowMs), want));
});
