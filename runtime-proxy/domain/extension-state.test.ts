import assert from "node:assert/strict";
import { moveExtension, type extensionMoves, type ExtensionMove } from "./extension-state.ts";

/** Rows of extensions-api.md 5: state, call, the state after it or 403. */
const table: readonly (readonly [keyof typeof extensionMoves, Exclude<ExtensionMove, "event">, string])[] = [
  ["Started", "register", "Registered"],
  ["Started", "next", "403"],
  ["Started", "initError", "403"],
  ["Started", "exitError", "403"],
  ["Registered", "register", "403"],
  ["Registered", "next", "Ready"],
  ["Registered", "initError", "InitError"],
  ["Registered", "exitError", "ExitError"],
  ["Ready", "register", "403"],
  ["Ready", "next", "403"],
  ["Ready", "initError", "403"],
  ["Ready", "exitError", "ExitError"],
  ["Running", "register", "403"],
  ["Running", "next", "Ready"],
  ["Running", "initError", "403"],
  ["Running", "exitError", "ExitError"],
  ["InitError", "register", "403"],
  ["InitError", "next", "403"],
  ["InitError", "initError", "InitError"],
  ["InitError", "exitError", "403"],
  ["ExitError", "register", "403"],
  ["ExitError", "next", "403"],
  ["ExitError", "initError", "403"],
  ["ExitError", "exitError", "ExitError"],
  ["LaunchError", "register", "403"],
  ["LaunchError", "next", "403"],
];

describe("moveExtension", () => {
  for (const [state, move, want] of table) {
    it(`${state}: ${move} gives ${want}`, () => {
      const moved = moveExtension(state, move, "x");
      assert.equal(moved.ok ? moved.state : "403", want);
    });
  }

  it("refuses in the words of the Extensions API", () => {
    const message =
      "State transition from Ready to Ready failed for extension x. Error: State transition is not allowed";
    assert.deepEqual(moveExtension("Ready", "next", "x"), { ok: false, message });
  });
});
