import assert from "node:assert/strict";
import type { StreamEnd } from "../environments/streamed-answer.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import {
  completionOfAnswer,
  completionOfStream,
  encodeChunk,
  encodeCompletion,
  type Completion,
} from "./payload-events.ts";

const call = { requestId: "r", facts: { arn: "arn:f" } as FunctionFacts };
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("the end of a stream", () => {
  const cases: Record<string, { end: StreamEnd; want: Completion }> = {
    "says nothing when all went well": { end: { kind: "ended", trailers: { endOfResponse: "Complete" } }, want: {} },
    "has the log that was asked for": {
      end: { kind: "ended", trailers: { endOfResponse: "Complete", logResult: "TE9H" } },
      want: { LogResult: "TE9H" },
    },
    "has the function's own error": {
      end: {
        kind: "ended",
        trailers: { endOfResponse: "Complete", errorType: "E", errorBody: base64('{"errorType":"E"}') },
      },
      want: { ErrorCode: "Unhandled", ErrorDetails: '{"errorType":"E"}' },
    },
    "has an error that is no JSON as it is": {
      end: { kind: "ended", trailers: { endOfResponse: "Truncated", errorType: "E", errorBody: base64("text ü") } },
      want: { ErrorCode: "Unhandled", ErrorDetails: "text ü" },
    },
    "names an error without body": {
      end: { kind: "ended", trailers: { endOfResponse: "Truncated", errorType: "E", logResult: "TE9H" } },
      want: { ErrorCode: "Unhandled", ErrorDetails: '{"errorType":"E"}', LogResult: "TE9H" },
    },
    "names what cut it off": {
      end: { kind: "ended", trailers: { endOfResponse: "Oversized" } },
      want: { ErrorCode: "Unhandled", ErrorDetails: '{"errorType":"Function.ResponseSizeTooLarge"}' },
    },
    "takes an unknown end for a failure": {
      end: { kind: "ended", trailers: { endOfResponse: "Strange" } },
      want: { ErrorCode: "Unhandled", ErrorDetails: '{"errorType":"Strange"}' },
    },
    "tells that the agent was lost": {
      end: { kind: "lost", error: new Error("inner") },
      want: {
        ErrorCode: "ServiceException",
        ErrorDetails:
          'RequestId: r Error: Cannot invoke "arn:f": the connection to its execution environment broke during the call',
      },
    },
  };
  for (const [title, { end, want }] of Object.entries(cases)) {
    it(title, () => assert.deepEqual(completionOfStream(end, call), want));
  }

  it("of a whole answer is its function error", () => {
    const body = Buffer.from('{"errorType":"E"}');
    assert.deepEqual(completionOfAnswer({ functionError: "Unhandled", logResult: undefined }, body), {
      ErrorCode: "Unhandled",
      ErrorDetails: '{"errorType":"E"}',
    });
    assert.deepEqual(completionOfAnswer({ functionError: undefined, logResult: "TE9H" }, body), { LogResult: "TE9H" });
  });
});

describe("payload events", () => {
  it("hold 8 MB at most", () => {
    const sizes = [0, 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20 * 1024 * 1024].map(
      (bytes) => encodeChunk(Buffer.alloc(bytes)).length,
    );
    assert.deepEqual(sizes, [1, 1, 1, 2, 3]);
  });

  it("end with JSON", () => {
    assert.ok(encodeCompletion({ ErrorCode: "E" }).includes('{"ErrorCode":"E"}'));
  });
});
