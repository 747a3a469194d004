import assert from "node:assert/strict";
import fc from "fast-check";
import { formatTraceparent, parseTraceparent, rootOfTraceId, traceIdOfRoot } from "./traceparent.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";

describe("traceparent", () => {
  const cases: Record<string, { header: string | undefined; want: boolean | undefined }> = {
    "is sampled by its first flag": { header: `00-${traceId}-${parentId}-01`, want: true },
    "is not sampled without it": { header: `00-${traceId}-${parentId}-fe`, want: false },
    "of a later version counts by its first fields": { header: `cc-${traceId}-${parentId}-01-more`, want: true },
    "of this version has no more fields": { header: `00-${traceId}-${parentId}-01-more`, want: undefined },
    "has no version ff": { header: `ff-${traceId}-${parentId}-01`, want: undefined },
    "has no trace of zeros": { header: `00-${"0".repeat(32)}-${parentId}-01`, want: undefined },
    "has no parent of zeros": { header: `00-${traceId}-${"0".repeat(16)}-01`, want: undefined },
    "is in lower case": { header: `00-${traceId.toUpperCase()}-${parentId}-01`, want: undefined },
    "may be absent": { header: undefined, want: undefined },
  };
  for (const [title, { header, want }] of Object.entries(cases))
    it(title, () => assert.equal(parseTraceparent(header)?.isSampled, want));

  it("and a root of X-Ray are the same 128 bits", () => {
    const hex = fc.stringMatching(/^[0-9a-f]{31}[1-9a-f]$/);
    fc.assert(fc.property(hex, (id) => assert.equal(traceIdOfRoot(rootOfTraceId(id)), id)));
    assert.equal(rootOfTraceId(traceId), "1-4bf92f35-77b34da6a3ce929d0e0e4736");
    assert.equal(parseTraceparent(formatTraceparent(traceId, parentId))?.traceId, traceId);
    for (const other of [undefined, "", "1-2-3", `2${rootOfTraceId(traceId)}`, `1-${"0".repeat(8)}-${"0".repeat(24)}`])
      assert.equal(traceIdOfRoot(other), undefined);
  });
});
