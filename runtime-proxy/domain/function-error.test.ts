import assert from "node:assert/strict";
import {
  exitError,
  normalizeErrorType,
  platformErrorPayload,
  startError,
  timeoutError,
  withoutErrorCause,
  type PlatformError,
} from "./function-error.ts";

const payloads: Record<string, { error: PlatformError; want: string }> = {
  "a timeout names the configured time": {
    error: timeoutError(3),
    want: '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r Error: Task timed out after 3.00 seconds"}',
  },
  "exit 0 has no reason": {
    error: exitError({ status: 0, outOfMemory: false }),
    want: '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: Runtime exited without providing a reason"}',
  },
  "exit 127 has its status": {
    error: exitError({ status: 127, outOfMemory: false }),
    want: '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: Runtime exited with error: exit status 127"}',
  },
  "lifecycle 15: a kill for want of memory has a type of its own": {
    error: exitError({ signal: "killed", outOfMemory: true }),
    want: '{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: r Error: Runtime exited with error: signal: killed"}',
  },
  "no bootstrap is an invalid entry point": {
    error: startError({ code: "NoCandidate", message: "Couldn't find valid bootstrap(s): [/a /b]" }),
    want: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: r Error: Couldn't find valid bootstrap(s): [/a /b]"}`,
  },
  "a missing directory is not": {
    error: startError({ code: "InvalidWorkingDir", message: "chdir /x: no such file or directory" }),
    want: '{"errorType":"Runtime.InvalidWorkingDir","errorMessage":"RequestId: r Error: chdir /x: no such file or directory"}',
  },
};

describe("platformErrorPayload", () => {
  for (const [title, { error, want }] of Object.entries(payloads)) {
    it(title, () => assert.equal(platformErrorPayload(error, "r"), want));
  }
});

const types: readonly (readonly [string | undefined, string])[] = [
  ["Function.MyThing", "Function.MyThing"],
  ["Function<UserException>", "Runtime.Unknown"],
  ["Function.my-thing", "Function.Unknown"],
  ["at Runtime.BadFunctionCode now", "Runtime.BadFunctionCode"],
  ["unhandled", "Runtime.Unknown"],
  [undefined, "Runtime.Unknown"],
];

describe("normalizeErrorType", () => {
  for (const [said, want] of types) it(`makes ${want} of ${said}`, () => assert.equal(normalizeErrorType(said), want));
});

describe("withoutErrorCause", () => {
  it("takes out that member only", () => {
    assert.equal(
      withoutErrorCause('{"errorMessage":"m","errorCause":{"a":1},"x":[2]}'),
      '{"errorMessage":"m","x":[2]}',
    );
  });
  for (const body of ["", "{", "null", "[]", '"text"']) {
    it(`knows that ${JSON.stringify(body)} is no error`, () => assert.equal(withoutErrorCause(body), undefined));
  }
});
