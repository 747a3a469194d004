import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { setCondition } from "./v1alpha1/condition.ts";

const at = (now: string, observedGeneration = 1) => ({ now, observedGeneration });

describe("setCondition", () => {
  const first = setCondition(
    [],
    { type: "Ready", status: "False", reason: "Resolving", message: "wait" },
    at("2026-01-01T00:00:00.123Z"),
  );

  it("adds a condition with the time to the second", () => {
    assert.deepEqual(first, [
      {
        type: "Ready",
        status: "False",
        reason: "Resolving",
        message: "wait",
        observedGeneration: 1,
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ]);
  });
  it("keeps the time when only reason, message or generation change", () => {
    const [condition] = setCondition(
      first,
      { type: "Ready", status: "False", reason: "InvalidArchive", message: "bad" },
      at("2026-01-02T00:00:00Z", 2),
    );
    assert.equal(condition?.lastTransitionTime, "2026-01-01T00:00:00Z");
    assert.equal(condition.observedGeneration, 2);
    assert.equal(condition.reason, "InvalidArchive");
  });
  it("moves the time when the status changes, and sorts by type", () => {
    const both = setCondition(
      first,
      { type: "CodeResolved", status: "True", reason: "Resolved", message: "" },
      at("2026-01-02T00:00:00Z"),
    );
    const list = setCondition(
      both,
      { type: "Ready", status: "True", reason: "Available", message: "" },
      at("2026-01-03T00:00:00Z"),
    );
    assert.deepEqual(
      list.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
      [
        ["CodeResolved", "2026-01-02T00:00:00Z"],
        ["Ready", "2026-01-03T00:00:00Z"],
      ],
    );
  });
  it("changes nothing when nothing differs", () => {
    assert.deepEqual(
      setCondition(
        first,
        { type: "Ready", status: "False", reason: "Resolving", message: "wait" },
        at("2027-01-01T00:00:00Z"),
      ),
      first,
    );
  });
});
