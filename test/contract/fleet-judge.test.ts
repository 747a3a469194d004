/** The judge of fleets sees what must not be: without that, a run that held proves nothing. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { roomMissing, violations, type Evidence } from "../kit/fleet/fleet-judge.ts";
import type { LoadCall } from "../kit/fleet/fleet-load.ts";
import type { Run } from "../kit/fleet/run-record.ts";

function run(id: string, more: Partial<Run> = {}): Run {
  return { id, name: "hello", version: "$LATEST", podUid: "pod", pid: 1, beginMs: 0, endMs: 10, ...more };
}

function call(id: string, more: Partial<LoadCall> = {}): LoadCall {
  const answer = { status: 200, headers: {}, body: JSON.stringify({ id, name: "hello" }) };
  return { id, name: "hello", router: "router", beganMs: 0, endedMs: 20, answer, ...more };
}

function refused(status: number, error: string, body: object) {
  return { status, headers: { "x-amzn-errortype": error }, body: JSON.stringify(body) };
}

const lost = refused(500, "ServiceException", {
  Message: 'RequestId: r Error: Cannot invoke "arn": the connection to its execution environment broke during the call',
});
const cases: Record<string, { readonly seen: Partial<Evidence>; readonly want: readonly (string | RegExp)[] }> = {
  "nothing, of calls that were answered and refused as documented": {
    seen: {
      calls: [
        call("a"),
        call("b", {
          answer: refused(429, "TooManyRequestsException", { Reason: "ConcurrentInvocationLimitExceeded" }),
        }),
      ],
      runs: [run("a")],
    },
    want: [],
  },
  "more at once than the function's reservation": {
    seen: { runs: [run("a"), run("b"), run("c", { beginMs: 9 }), run("d", { beginMs: 10 })] },
    want: [
      'function "hello": 3 ran at once, the limit is 2: "a" of "hello" in pod (-9.0 to 1.0 ms), "b" of "hello" in pod (-9.0 to 1.0 ms), "c" of "hello" in pod (0.0 to 1.0 ms)',
    ],
  },
  "more at once of functions without a reservation than is left": {
    seen: { runs: [1, 2, 3, 4].map((n) => run(`a${n}`, { name: n > 2 ? "left" : "right" })) },
    want: [/^functions without a reservation: 4 ran at once, the limit is 3: "a1" of "right"/],
  },
  "one that was ended in the middle, until then": {
    seen: { runs: [run("a", { endMs: Infinity }), run("b", { beginMs: 1 }), run("c", { beginMs: 2 })] },
    want: [],
  },
  "more at once than a limit that was lower meanwhile": {
    seen: {
      runs: [
        run("before"),
        run("a", { beginMs: 5 }),
        run("b", { beginMs: 20, endMs: 30 }),
        run("c", { beginMs: 40, endMs: 50 }),
      ],
      windows: [
        { name: "hello", limit: 0, fromMs: 1, untilMs: 10 },
        { name: "hello", limit: 1, fromMs: 15, untilMs: 30 },
        { name: "left", limit: 0, fromMs: 0, untilMs: 100 },
      ],
    },
    want: ['function "hello": 1 ran at once while its limit was 0'],
  },
  "a call that ran twice": {
    seen: { calls: [call("a")], runs: [run("a"), run("a", { beginMs: 50, endMs: 60 })] },
    want: ['call "a" ran twice'],
  },
  "a call that the wrong function ran": {
    seen: { calls: [call("a")], runs: [run("a", { name: "left" })] },
    want: ['call "a" of "hello" ran in "left"'],
  },
  "another call's answer": {
    seen: {
      calls: [call("a", { answer: { status: 200, headers: {}, body: '{"id":"b","name":"hello"}' } })],
      runs: [run("a")],
    },
    want: ['call "a" of "hello" was answered with {"id":"b","name":"hello"}'],
  },
  "an answer of what never ran": { seen: { calls: [call("a")] }, want: ['call "a" was answered and did not run'] },
  "a connection that broke at a router that lives": {
    seen: { calls: [{ ...call("a"), answer: undefined }] as never },
    want: ['call "a" got no answer, and its router was not killed'],
  },
  "none that broke at one that was killed": {
    seen: { calls: [{ ...call("a"), answer: undefined }] as never, killed: new Set(["router"]) },
    want: [],
  },
  "a call that was lost while nothing was done to environments": {
    seen: { calls: [call("a", { answer: lost })] },
    want: [
      'call "a" ended with 500 ServiceException: Error: Cannot invoke …: the connection to its execution environment broke during the call',
    ],
  },
  "a call that was lost after something was done to environments": {
    seen: { calls: [call("a", { answer: lost })], losses: [{ fromMs: -30, untilMs: -15 }] },
    want: [
      'call "a" ended with 500 ServiceException: Error: Cannot invoke …: the connection to its execution environment broke during the call',
    ],
  },
  "none that was lost with its environment": {
    seen: { calls: [call("a", { answer: lost })], losses: [{ fromMs: 15, untilMs: 30 }] },
    want: [],
  },
  "an error that is not in the catalogue": {
    seen: { calls: [call("a", { answer: refused(503, "Strange", {}) })], losses: [{ fromMs: 15, untilMs: 30 }] },
    want: ['call "a" ended with 503 Strange: '],
  },
};

describe("the judge of a fleet", () => {
  for (const [title, { seen, want }] of Object.entries(cases)) {
    it(`finds ${title}`, () => {
      const evidence = {
        ...{ calls: [], runs: [], limits: { reserved: { hello: 2 }, account: 5, left: 3 }, killed: new Set<string>() },
        losses: [],
        ...seen,
      };
      const found = violations(evidence);
      assert.equal(found.length, want.length, found.join("\n"));
      for (const [place, sentence] of found.entries()) {
        const wanted = want[place] ?? "";
        if (typeof wanted === "string") assert.equal(sentence, wanted);
        else assert.match(sentence, wanted);
      }
    });
  }

  const full: Record<string, { readonly calls: readonly LoadCall[]; readonly want: string | undefined }> = {
    "all run at once": { calls: [call("a"), call("b", { beganMs: 5, endedMs: 29 })], want: undefined },
    "one was refused: its slot was never given back": {
      calls: [
        call("a"),
        call("b", {
          answer: refused(429, "TooManyRequestsException", { Reason: "ConcurrentInvocationLimitExceeded" }),
        }),
      ],
      want: '1 of 2 ran: one of "hello" ended with 429 TooManyRequestsException: ConcurrentInvocationLimitExceeded',
    },
    "one waited for another's slot": {
      calls: [call("a"), call("b", { endedMs: 30 })],
      want: "2 of 2 ran, and one after another: 30 ms for 15 ms each",
    },
  };
  for (const [title, { calls, want }] of Object.entries(full))
    it(`of as many calls as may run it says what is missing: ${title}`, () =>
      assert.equal(roomMissing(calls, 15), want));
});
