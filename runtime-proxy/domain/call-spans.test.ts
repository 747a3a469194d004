import assert from "node:assert/strict";
import { callSpans, type CallCourse } from "./call-spans.ts";

const arn = "arn:aws:lambda:us-east-1:000000000001:function:pay";
const base: CallCourse = {
  trace: { traceId: "1".repeat(32), spanId: "2".repeat(16), functionSpanId: "3".repeat(16) },
  requestId: "id",
  operation: "Invoke",
  function: { name: "pay", namespace: "shop", version: "7", arn, invokedArn: `${arn}:live` },
  status: 200,
  result: "ok",
  eventBytes: 2,
  answerBytes: 3,
  startedMs: 1000,
  endedMs: 1100,
  waitMs: 0,
  sentMs: 1010,
  answeredMs: 1090,
  told: { durationMs: 60 },
};

function times(call: Partial<CallCourse>): Record<string, readonly [number, number]> {
  const spans = callSpans({ ...base, ...call }, () => "4".repeat(16));
  return Object.fromEntries(spans.map(({ name, fromMs, untilMs }) => [name, [fromMs, untilMs]]));
}

describe("callSpans", () => {
  const call = [1000, 1100] as const;
  const cases: Record<string, { call: Partial<CallCourse>; want: Record<string, readonly [number, number]> }> = {
    "has the run in the middle of what the agent took": { call: {}, want: { "Invoke pay": call, pay: [1020, 1080] } },
    "has a stream's run until its end": { call: { told: {} }, want: { "Invoke pay": call, pay: [1010, 1100] } },
    "has the call alone where no agent has answered": {
      call: { sentMs: undefined, answeredMs: undefined, waitMs: 80, result: "TooManyRequestsException" },
      want: { "Invoke pay": call },
    },
    "has a wait, without phases of an environment that was there": {
      call: { waitMs: 8 },
      want: { "Invoke pay": call, pay: [1020, 1080], wait: [1002, 1010] },
    },
    "has the phases of an environment that came up meanwhile, one after the other": {
      call: { waitMs: 9, told: { durationMs: 60, startMs: 1, fetchMs: 2, initMs: 3, readyMs: 11 } },
      want: {
        ...{ "Invoke pay": call, pay: [1020, 1080], wait: [1001, 1010] },
        ...{ start: [1003, 1004], fetch: [1004, 1006], init: [1006, 1009] },
      },
    },
    "has none of one that was ready before, though this is its first call": {
      call: { waitMs: 9, told: { durationMs: 60, startMs: 1, fetchMs: 2, initMs: 3, readyMs: 500 } },
      want: { "Invoke pay": call, pay: [1020, 1080], wait: [1001, 1010] },
    },
  };
  for (const [title, { call: given, want }] of Object.entries(cases))
    it(title, () => assert.deepEqual(times(given), want));

  it("names the version that ran, and not the alias, as what the run is of", () => {
    const run = callSpans(base, () => "").find(({ name }) => name === "pay");
    assert.equal(run?.resource?.["cloud.resource_id"], `${arn}:7`);
    assert.equal(run.resource["cloud.account.id"], "000000000001");
  });
});
