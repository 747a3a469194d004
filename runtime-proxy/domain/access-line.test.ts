import assert from "node:assert/strict";
import fc from "fast-check";
import { LONGEST_LINE_BYTES } from "../../lib/line-writer.ts";
import { accessLine, hasLine, type AccessLine } from "./access-line.ts";

const line: AccessLine = {
  timeMs: 1_700_000_000_123,
  requestId: "3f1c",
  operation: "Invoke",
  function: { accountId: "000000000001", namespace: "shop", name: "pay", qualifier: "live", executedVersion: "7" },
  status: 200,
  result: "ok",
  caller: "token",
  remoteAddress: "203.0.113.9",
  userAgent: "aws-cli/2",
  eventBytes: 2,
  answerBytes: 4,
  times: { durationMs: 12.34567, waitMs: 0, initMs: undefined },
};

describe("accessLine", () => {
  it("says who called what, how it ended and how long it took", () => {
    assert.deepEqual(JSON.parse(accessLine(line)), {
      ...{ log: "access", timestamp: "2023-11-14T22:13:20.123Z", requestId: "3f1c", operation: "Invoke" },
      ...{ accountId: "000000000001", namespace: "shop", function: "pay", qualifier: "live", executedVersion: "7" },
      ...{ status: 200, result: "ok", durationMs: 12.346, waitMs: 0, eventBytes: 2, answerBytes: 4 },
      ...{ caller: "token", remoteAddress: "203.0.113.9", userAgent: "aws-cli/2" },
    });
  });

  it("is one line of bounded length and visible ASCII, whatever a client says of itself", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 5000 }), fc.string({ maxLength: 5000 }));
    fc.assert(
      fc.property(text, text, text, (userAgent, remoteAddress, traceId) => {
        const written = accessLine({ ...line, userAgent, remoteAddress, traceId });
        assert.match(written, /^[\x20-\x7e]+\n$/);
        assert.ok(written.length <= LONGEST_LINE_BYTES);
        JSON.parse(written);
      }),
    );
  });
});

describe("hasLine", () => {
  const sampled = { mode: "sampled", ratio: 0.1 } as const;
  it("is for every call, for none, or for a share of those that went well and all others", () => {
    assert.equal(
      hasLine({ mode: "none", ratio: 1 }, "ServiceException", () => 0),
      false,
    );
    assert.equal(
      hasLine({ mode: "all", ratio: 0 }, "ok", () => 0.9),
      true,
    );
    assert.equal(
      hasLine(sampled, "ok", () => 0.1),
      false,
    );
    assert.equal(
      hasLine(sampled, "ok", () => 0.09),
      true,
    );
    for (const result of ["function_error", "client_gone", "TooManyRequestsException"])
      assert.equal(
        hasLine(sampled, result, () => 0.9),
        true,
      );
  });
});
