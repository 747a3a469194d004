import assert from "node:assert/strict";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { decideAssignment, type AssignmentSeen } from "./assignment.ts";

const own = { functionUid: "f", revisionID: "1" };
const document = { functionUid: "f", revisionID: "1" } as EnvironmentDocument;

const cases: Record<string, { seen: Partial<AssignmentSeen>; document?: object; epoch?: number; want: string }> = {
  "takes the first": { seen: {}, want: "take" },
  "takes the first under a newer roster": { seen: {}, epoch: 9, want: "take" },
  "hears the same again": { seen: { current: own }, want: "repeat" },
  "hears the same again under a newer roster": { seen: { current: own }, epoch: 6, want: "repeat" },
  "is no second function's": { seen: { current: own }, document: { functionUid: "g" }, want: "Taken" },
  "is no other revision's": { seen: { current: own }, document: { revisionID: "2" }, want: "Taken" },
  "does not take what a former leader says": { seen: {}, epoch: 4, want: "Stale" },
  "does not repeat what a former leader says": { seen: { current: own }, epoch: 4, want: "Stale" },
  "takes nothing when it ends": { seen: { isEnding: true }, want: "Draining" },
};

describe("decideAssignment", () => {
  for (const [title, { seen, epoch = 5, want, document: other }] of Object.entries(cases)) {
    it(title, () => {
      const all = { current: undefined, epoch: 5, isEnding: false, ...seen };
      const verdict = decideAssignment(all, { document: { ...document, ...other }, epoch });
      assert.equal(verdict.type === "refuse" ? verdict.refusal.code : verdict.type, want);
    });
  }
});
