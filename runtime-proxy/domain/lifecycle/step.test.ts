import assert from "node:assert/strict";
import type { LifecycleEffect } from "./effect.ts";
import type { LifecycleInput } from "./input.ts";
import { availability, initialState, type LifecycleState } from "./state.ts";
import { step } from "./step.ts";

const connected = (...files: readonly string[]): LifecycleInput => ({ type: "connected", files });
const register = (name: string, ...events: readonly ("INVOKE" | "SHUTDOWN")[]): LifecycleInput => ({
  type: "register",
  name,
  events,
  id: `id-${name}`,
});
const extensionNext = (name: string): LifecycleInput => ({ type: "extensionNext", id: `id-${name}` });
const timer = (name: LifecycleState["timers"][number]): LifecycleInput => ({ type: "timer", name });
const exited = (process: number, status: number): LifecycleInput => ({
  type: "exited",
  exit: { process, status, outOfMemory: false },
});
const next: LifecycleInput = { type: "runtimeNext" };
const drain: LifecycleInput = { type: "drain" };
const allGone: LifecycleInput = { type: "allGone" };
const invoke: LifecycleInput = { type: "invoke", requestId: "r", isStreamed: false };
const caughtUp: LifecycleInput = { type: "caughtUp" };
const reported: LifecycleInput = { type: "reported" };
const responseBegun: LifecycleInput = {
  type: "responseBegun",
  call: "response",
  requestId: "r",
  hasInvalidMode: false,
};
const payload = { chunks: [], bytes: 0 };
const answered: LifecycleInput = {
  type: "responseDone",
  start: 1,
  end: { kind: "whole", answer: { payload, contentType: "application/json", isFunctionError: false } },
};
const flushed: LifecycleInput = { type: "telemetryFlushed", start: 1 };
const heardOut: LifecycleInput = { type: "heardOut", start: 1 };
const reportedInit: LifecycleInput = {
  type: "initErrorDone",
  start: 1,
  report: { payload, contentType: "application/json", errorType: "Function.Mine" },
};

const ready = [connected(), next];
const running = [...ready, invoke, caughtUp];
const readyWith = (...events: readonly ("INVOKE" | "SHUTDOWN")[]): LifecycleInput[] => [
  connected("a"),
  register("a", ...events),
  next,
  extensionNext("a"),
];

/** What the last input brings about, in short: the effect and what is special about it. */
interface Case {
  readonly after: readonly LifecycleInput[];
  readonly input: LifecycleInput;
  readonly want: readonly string[];
}

const cases: Record<string, Case> = {
  "extensions start before the runtime": {
    after: [],
    input: connected("a", "b"),
    want: ["tellInitStart init", "setTimer init 10000", "startProcess 1 a", "startProcess 2 b"],
  },
  "the runtime starts when the last of them has registered": {
    after: [connected("a", "b"), register("b")],
    input: register("a"),
    want: ["startProcess 3"],
  },
  "init is over with the last next, whoever's it is": {
    after: [connected("a"), register("a"), next],
    input: extensionNext("a"),
    want: ["cancelTimer init", "tellExtensions", "tellInit success", "closeTelemetry", "announce"],
  },
  "an invocation waits for what had arrived before it": { after: ready, input: invoke, want: ["catchUp"] },
  "an event goes to the runtime and its subscribers at the same moment": {
    after: [...readyWith("INVOKE"), invoke],
    input: caughtUp,
    want: ["begin", "setTimer deadline 3000", "tellStart", "deliver", "deliverToExtension INVOKE"],
  },
  "who subscribed to nothing hears nothing": {
    after: [...readyWith(), invoke],
    input: caughtUp,
    want: ["begin", "setTimer deadline 3000", "tellStart", "deliver"],
  },
  "the answer does not wait for next": {
    after: [...running, responseBegun],
    input: answered,
    want: ["answer whole"],
  },
  "the invocation is over with next": {
    after: [...running, responseBegun, answered],
    input: next,
    want: ["tellRuntimeDone success", "cancelTimer deadline", "report success"],
  },
  "with subscribers it is over with the last one's next": {
    after: [...readyWith("INVOKE"), invoke, caughtUp, responseBegun, answered, next],
    input: extensionNext("a"),
    want: ["cancelTimer deadline", "report success"],
  },
  "a deadline is told when it passes; without extensions everything is killed at once": {
    after: running,
    input: timer("deadline"),
    want: [
      "tellFault Sandbox.Timedout",
      "answer error Sandbox.Timedout",
      "tellRuntimeDone timeout",
      "report timeout",
      "killAll",
    ],
  },
  "an internal extension gives the runtime SIGTERM and 500 ms": {
    after: [connected(), register("i"), next, extensionNext("i")],
    input: drain,
    want: ["announce", "setTimer shutdown 500", "signal 1 SIGTERM"],
  },
  "an external one 2,000 ms, 300 of which are the runtime's": {
    after: readyWith("SHUTDOWN"),
    input: drain,
    want: ["announce", "setTimer shutdown 2000", "signal 2 SIGTERM", "setTimer exit 300"],
  },
  "a runtime that ignores SIGTERM is killed": {
    after: [...readyWith("SHUTDOWN"), drain],
    input: timer("exit"),
    want: ["signal 2 SIGKILL"],
  },
  "telemetry is flushed when the runtime has gone": {
    after: [...readyWith("SHUTDOWN"), drain],
    input: exited(2, 0),
    want: ["cancelTimer exit", "flushTelemetry"],
  },
  "then subscribers hear SHUTDOWN": {
    after: [...readyWith("SHUTDOWN"), drain, exited(2, 0)],
    input: flushed,
    want: ["deliverToExtension SHUTDOWN SPINDOWN"],
  },
  "and all others are killed": {
    after: [...readyWith("INVOKE"), drain, exited(2, 0)],
    input: flushed,
    want: ["signal 1 SIGKILL"],
  },
  "what is left is killed when everybody has gone": {
    after: [...readyWith("SHUTDOWN"), drain, exited(2, 0), flushed],
    input: exited(1, 0),
    want: ["cancelTimer shutdown", "killAll"],
  },
  "or at the deadline": {
    after: [...readyWith("SHUTDOWN"), drain, exited(2, 0), flushed],
    input: timer("shutdown"),
    want: ["killAll"],
  },
  "a drain ends when nothing runs": { after: [...ready, drain], input: allGone, want: ["ended"] },
  "an exit is a failure once all that it had sent was heard": {
    after: running,
    input: exited(1, 3),
    want: ["hearOut"],
  },
  "an answer that was still on its way counts": {
    after: [...running, exited(1, 3), responseBegun, answered],
    input: heardOut,
    want: ["cancelTimer deadline", "tellFault Runtime.ExitError", "tellRuntimeDone error", "report error", "killAll"],
  },
  "of two ends the first is told": {
    after: [...readyWith("INVOKE"), invoke, caughtUp, exited(1, 4), exited(2, 5)],
    input: heardOut,
    want: [
      "cancelTimer deadline",
      "tellFault Extension.Crash",
      "answer error Extension.Crash",
      "tellRuntimeDone error",
      "report error",
      "setTimer shutdown 2000",
      "cancelTimer shutdown",
      "killAll",
    ],
  },
  "what the runtime said about its init counts before its end": {
    after: [connected(), { type: "initErrorBegun" }, exited(1, 1)],
    input: reportedInit,
    want: ["tellRuntimeInit error", "tellInit error", "closeTelemetry", "announce", "cancelTimer init", "killAll"],
  },
  "an invocation after a failed init repeats it within its own time": {
    after: [connected(), timer("init"), allGone, invoke],
    input: caughtUp,
    want: ["begin", "tellInitStart invoke", "setTimer deadline 3000", "startProcess 2"],
  },
  "START comes after a repeated init, the deadline does not begin anew": {
    after: [connected(), timer("init"), allGone, invoke, caughtUp],
    input: next,
    want: ["tellRuntimeInit success", "tellInit success", "closeTelemetry", "announce", "tellStart", "deliver"],
  },
  "a runtime that dropped its next has the time of a call to come back": {
    after: [...ready, { type: "runtimePollGone", start: 1 }, invoke],
    input: caughtUp,
    want: ["setTimer ask 3000"],
  },
  "a REPORT that is being written holds up the next start": {
    after: [...running, timer("deadline"), invoke, caughtUp],
    input: allGone,
    want: [],
  },
  "which begins when it is written": {
    after: [...running, timer("deadline"), invoke, caughtUp, allGone],
    input: reported,
    want: ["begin", "tellInitStart invoke", "setTimer deadline 3000", "startProcess 2"],
  },
  "a lost container is told to who waits, and is the end": {
    after: running,
    input: { type: "lost" },
    want: [
      "cancelTimer deadline",
      "tellFault Runtime.ExitError",
      "answer error Runtime.ExitError",
      "tellRuntimeDone error",
      "report error",
      "announce",
      "ended",
    ],
  },
  "a container that is lost in init: routers hear why": {
    after: [connected()],
    input: { type: "lost" },
    want: [
      "tellRuntimeInit error",
      "tellInit error",
      "closeTelemetry",
      "announce",
      "cancelTimer init",
      "announce",
      "ended",
    ],
  },
  "an extension that has reported its end while it waited gets no event": {
    after: [...readyWith("INVOKE"), { type: "extensionExitError", id: "id-a" }, invoke],
    input: caughtUp,
    want: ["begin", "setTimer deadline 3000", "tellStart", "deliver"],
  },
};

const rules = { timeoutMs: 3000, initTimeoutMs: 10_000, stopsBetweenInvocations: false };

function after(inputs: readonly LifecycleInput[], from = initialState(rules)): LifecycleState {
  return inputs.reduce((state, input) => step(state, input).state, from);
}

function inShort(effect: LifecycleEffect): string {
  const words: unknown[] = [effect.type];
  if ("process" in effect) words.push(effect.process);
  if ("extension" in effect) words.push(effect.extension);
  if ("signal" in effect) words.push(effect.signal);
  if ("name" in effect) words.push(effect.name);
  if ("ms" in effect) words.push(effect.ms);
  if (effect.type === "tellInitStart") words.push(effect.phase);
  if (effect.type === "answer") words.push(effect.answer.kind);
  else if ("outcome" in effect) words.push(effect.outcome.status);
  if (effect.type === "answer" && effect.answer.kind === "error") words.push(effect.answer.error.errorType);
  if (effect.type === "tellFault") words.push(effect.error.errorType);
  if (effect.type === "deliverToExtension") words.push(effect.event, ...(effect.reason ? [effect.reason] : []));
  return words.join(" ");
}

describe("lifecycle step", () => {
  for (const [title, { after: inputs, input, want }] of Object.entries(cases)) {
    it(title, () => assert.deepEqual(step(after(inputs), input).effects.map(inShort), want));
  }

  it("leaves the state that it is given as it is", () => {
    const state = after(running);
    const before = structuredClone(state);
    step(state, timer("deadline"));
    assert.deepEqual(state, before);
  });

  it("tells routers what it can take", () => {
    const said = [[], [connected()], ready, [...ready, invoke], running, [...running, responseBegun, answered]].map(
      (inputs) => availability(after(inputs)),
    );
    assert.deepEqual(said, ["starting", "starting", "ready", "busy", "busy", "ready"]);
    assert.equal(availability(after([connected(), timer("init")])), "ready");
    assert.equal(availability(after([...running, drain])), "draining");
  });

  it("stops everybody who waits, and wakes them before an event", () => {
    const stopping = initialState({ ...rules, stopsBetweenInvocations: true });
    assert.deepEqual(step(after([connected()], stopping), next).effects.at(-1), { type: "stop" });
    const woken = step(after([connected(), next, invoke], stopping), caughtUp).effects.map(inShort);
    assert.deepEqual(woken, ["begin", "goOn", "setTimer deadline 3000", "tellStart", "deliver"]);
  });
});
