import assert from "node:assert/strict";
import { moveRuntime, type runtimeMoves, type RuntimeMove } from "./runtime-state.ts";

/** Rows of runtime-api.md 4 for one invocation at a time: state, call, the state after it or 403. */
const table: readonly (readonly [keyof typeof runtimeMoves, RuntimeMove, string])[] = [
  ["Started", "next", "Ready"],
  ["Started", "initError", "InitError"],
  ["Started", "response", "403"],
  ["InitError", "next", "403"],
  ["InitError", "initError", "403"],
  ["Ready", "next", "Ready"],
  ["Ready", "initError", "403"],
  ["Running", "next", "Running"],
  ["Running", "response", "InvocationResponse"],
  ["Running", "error", "InvocationErrorResponse"],
  ["Running", "initError", "403"],
  ["InvocationResponse", "next", "403"],
  ["InvocationResponse", "error", "403"],
  ["InvocationErrorResponse", "next", "403"],
  ["InvocationErrorResponse", "response", "403"],
  ["RuntimeResponseSentState", "next", "Ready"],
  ["RuntimeResponseSentState", "response", "403"],
  ["RuntimeResponseSentState", "error", "403"],
  ["RuntimeResponseSentState", "initError", "403"],
];

describe("moveRuntime", () => {
  for (const [state, move, want] of table) {
    it(`${state}: ${move} gives ${want}`, () => {
      const moved = moveRuntime(state, move);
      assert.equal(moved.ok ? moved.state : "403", want);
    });
  }

  it("refuses in the words of the Runtime API", () => {
    assert.deepEqual(moveRuntime("RuntimeResponseSentState", "error"), {
      ok: false,
      message:
        "State transition from RuntimeResponseSentState to InvocationErrorResponse failed for runtime. Error: State transition is not allowed",
    });
  });
});
