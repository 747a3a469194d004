import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Act, CallPlan } from "./call-plan.ts";
import { judge, type Allowance, type Outcome } from "./judge.ts";

const requestId = "00000000-0000-4000-8000-000000000001";
const otherId = "00000000-0000-4000-8000-000000000002";
const allowance: Allowance = {
  thrown: "RangeError",
  functionErrors: [],
  functionFaults: ["Runtime.ExitError"],
  serviceErrors: ["ServiceException"],
  mayBreak: false,
};

function plan(act: Act): CallPlan {
  return { functionName: "node", event: { call: 7, act, waitMs: 0, padding: "7;" } };
}
function answer(body: unknown, more: Partial<Exclude<Outcome, { readonly error: string }>> = {}): Outcome {
  const text = JSON.stringify(body);
  return { status: 200, requestId, functionError: undefined, errorCode: undefined, body: text, ...more };
}
function failure(errorType: string, errorMessage: string): Outcome {
  return answer({ errorType, errorMessage }, { functionError: "Unhandled" });
}
function refusal(errorCode: string, id: string): Outcome {
  return answer({ Message: `RequestId: ${id} Error: The service failed` }, { status: 500, errorCode });
}

const { event } = plan("echo");
const nothing: Partial<Allowance> = { functionFaults: [], serviceErrors: [] };
const cases: Record<string, { act?: Act; outcome: Outcome; allowed?: Partial<Allowance>; want: string }> = {
  "its own event is right": { outcome: answer({ event, version: 2 }), want: "right: ok" },
  "another call's event is wrong": {
    outcome: answer({ event: { ...event, call: 8 }, version: 2 }),
    want: "wrong: another's answer",
  },
  "a padding that was cut is wrong": {
    outcome: answer({ event: { ...event, padding: "7" } }),
    want: "wrong: another's answer",
  },
  "an answer that is cut off is wrong": { outcome: { ...answer(0), body: '{"event' }, want: "wrong: not JSON" },
  "two calls at once in an environment are wrong": {
    outcome: answer({ event, overlap: true }),
    want: "wrong: two at once",
  },
  "an answer instead of an error is wrong": {
    act: "exit",
    outcome: answer({ event: plan("exit").event }),
    want: "wrong: no error",
  },
  "the error that it asked for is right": {
    act: "throw",
    outcome: failure("RangeError", "call 7"),
    want: "right: function error RangeError",
  },
  "the error of another is wrong": {
    act: "throw",
    outcome: failure("RangeError", "call 8"),
    want: "wrong: another's error",
  },
  "an error that nobody asked for is wrong": {
    outcome: failure("RangeError", "call 7"),
    want: "wrong: another's error",
  },
  "the exit that it asked for is right": {
    act: "exit",
    outcome: failure("Runtime.ExitError", `RequestId: ${requestId} Error: Runtime exited with error: exit status 3`),
    want: "right: function error Runtime.ExitError",
  },
  "an exit that nobody asked for is unexpected": {
    outcome: failure("Runtime.ExitError", `RequestId: ${requestId} Error: Runtime exited with error: exit status 3`),
    want: "unexpected: function error Runtime.ExitError",
  },
  "a kill is told to whom it met": {
    outcome: failure("Runtime.ExitError", `RequestId: ${requestId} Error: Runtime exited with error: signal: killed`),
    want: "fault: function error Runtime.ExitError, killed",
  },
  "a kill while nothing is killed is unexpected": {
    outcome: failure("Runtime.ExitError", `RequestId: ${requestId} Error: Runtime exited with error: signal: killed`),
    allowed: nothing,
    want: "unexpected: function error Runtime.ExitError, killed",
  },
  "a timeout of what is frozen is a fault's": {
    outcome: failure("Sandbox.Timedout", `RequestId: ${requestId} Error: Task timed out after 3.00 seconds`),
    allowed: { functionFaults: ["Sandbox.Timedout"] },
    want: "fault: function error Sandbox.Timedout",
  },
  "a kill that names another request is wrong": {
    outcome: failure("Runtime.ExitError", `RequestId: ${otherId} Error: Runtime exited with error: signal: killed`),
    want: "wrong: another's error",
  },
  "a timeout that nobody asked for is unexpected": {
    outcome: failure("Sandbox.Timedout", `RequestId: ${requestId} Error: Task timed out after 3.00 seconds`),
    want: "unexpected: function error Sandbox.Timedout",
  },
  "a documented service error is a fault's": {
    outcome: refusal("ServiceException", requestId),
    want: "fault: service error ServiceException",
  },
  "a service error while there is no fault is unexpected": {
    outcome: refusal("ServiceException", requestId),
    allowed: nothing,
    want: "unexpected: service error ServiceException",
  },
  "a service error of another request is wrong": {
    outcome: refusal("ServiceException", otherId),
    want: "wrong: another's error",
  },
  "any other service error is unexpected": {
    outcome: refusal("TooManyRequestsException", requestId),
    want: "unexpected: service error TooManyRequestsException",
  },
  "no answer is unexpected": { outcome: { error: "other side closed" }, want: "unexpected: no answer" },
  "no answer of what is killed is a fault's": {
    outcome: { error: "other side closed" },
    allowed: { mayBreak: true },
    want: "fault: no answer",
  },
};

describe("the judge of a soak's answers", () => {
  for (const [sentence, { act = "echo", outcome, allowed, want }] of Object.entries(cases)) {
    it(sentence, () => {
      const { kind, name } = judge(plan(act), outcome, { ...allowance, ...allowed });
      assert.equal(`${kind}: ${name}`, want);
    });
  }
});
