import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { functionObject, recipeFor } from "../../../test/kit/function-seen.ts";
import { noticeChangesAfterMs, runtimeNotice, runtimeStanding, type RuntimeTable } from "./runtime-table.ts";

const table: RuntimeTable = {
  "nodejs24.x": { image: "nodejs:24", state: "supported" },
  "nodejs22.x": { image: "nodejs:22", state: "supported", deprecationDate: "2027-04-30" },
  "nodejs20.x": { image: "nodejs:20", state: "deprecated", deprecationDate: "2026-04-30" },
  "nodejs16.x": { image: "nodejs:16", state: "createBlocked" },
  "nodejs14.x": { state: "updateBlocked" },
  "python3.14": { image: "python:3.14", state: "supported" },
};
const now = "2026-11-25T12:00:00.000Z";

function specOf(runtime: string) {
  return functionObject({ runtime }).spec;
}

function servingBy(runtime: string) {
  return recipeFor(functionObject({ runtime }));
}

describe("what a function may do with a runtime", () => {
  const cases: Record<string, { runtime: string; serving?: string; want: string }> = {
    "is made with a supported one": { runtime: "nodejs24.x", want: "usable" },
    "is made with a deprecated one": { runtime: "nodejs20.x", want: "usable" },
    "is not made with one that is closed to new functions": { runtime: "nodejs16.x", want: "refused BlockedRuntime" },
    "is changed with one that is closed to new functions": {
      runtime: "nodejs16.x",
      serving: "nodejs16.x",
      want: "usable",
    },
    "goes back to one that is closed to new functions": {
      runtime: "nodejs16.x",
      serving: "nodejs24.x",
      want: "usable",
    },
    "is not made with one at its end": { runtime: "nodejs14.x", want: "refused BlockedRuntime" },
    "goes on unchanged with one at its end": {
      runtime: "nodejs14.x",
      serving: "nodejs14.x",
      want: "unchangedOnly BlockedRuntime",
    },
    "does not go back to one at its end": {
      runtime: "nodejs14.x",
      serving: "nodejs24.x",
      want: "refused BlockedRuntime",
    },
    "is not made with one that nobody knows": { runtime: "toString", want: "refused UnknownRuntime" },
    "goes on unchanged with one that the table has no more": {
      runtime: "go1.x",
      serving: "go1.x",
      want: "unchangedOnly UnknownRuntime",
    },
  };
  for (const [title, { runtime, serving, want }] of Object.entries(cases)) {
    it(title, () => {
      const standing = runtimeStanding(specOf(runtime), table, serving === undefined ? undefined : servingBy(serving));
      assert.equal(standing.type === "usable" ? "usable" : `${standing.type} ${standing.problem.reason}`, want);
    });
  }

  it("is told what Lambda tells: the set of values, or which to take instead", () => {
    const unknown = runtimeStanding(specOf("go9"), table, undefined);
    assert.ok(unknown.type === "refused");
    assert.equal(
      unknown.problem.message,
      "Value go9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, nodejs22.x, nodejs24.x, python3.14]; an administrator adds one by the chart's value runtimes",
    );
    const blocked = runtimeStanding(specOf("nodejs14.x"), table, undefined);
    assert.ok(blocked.type === "refused");
    assert.equal(
      blocked.problem.message,
      "The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use the new runtime (nodejs24.x) while creating or updating functions.",
    );
  });
});

describe("what is said of a runtime that runs", () => {
  const cases: Record<string, { runtime: string; at?: string; want: RegExp | undefined }> = {
    "nothing while it is supported": { runtime: "nodejs22.x", want: undefined },
    "from its date on that it is deprecated": {
      runtime: "nodejs22.x",
      at: "2027-04-30T00:00:00.000Z",
      want: /^its runtime "nodejs22.x" is deprecated since 2027-04-30: move to nodejs24.x$/,
    },
    "that it can be changed no more": {
      runtime: "nodejs14.x",
      want: /and can be changed no more: move to nodejs24.x$/,
    },
    "that the table has it no more": { runtime: "go1.x", want: /no longer in the chart's table/ },
  };
  for (const [title, { runtime, at = now, want }] of Object.entries(cases)) {
    it(title, () => {
      const notice = runtimeNotice(specOf(runtime), table, at);
      if (want === undefined) assert.equal(notice, undefined);
      else assert.match(notice?.message ?? "", want);
    });
  }

  it("is looked at again when a date is due, at the latest after 20 days", () => {
    assert.equal(noticeChangesAfterMs(specOf("nodejs22.x"), table, "2027-04-29T23:59:59.000Z"), 1000);
    assert.equal(noticeChangesAfterMs(specOf("nodejs22.x"), table, now), 20 * 86_400_000);
    assert.equal(noticeChangesAfterMs(specOf("nodejs20.x"), table, now), undefined);
    assert.equal(noticeChangesAfterMs(specOf("nodejs24.x"), table, now), undefined);
  });
});
