import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { functionObject, resolvedPackage } from "../../../test/kit/function-seen.ts";
import { candidate, snapshot, versionObject, versionSeen } from "../../../test/kit/version-seen.ts";
import type { VersionSeen } from "./decide.ts";
import { decideNextStep } from "./next-step.ts";

const other = candidate(functionObject({ memorySize: 256 }));
const since = "2026-01-01T00:00:00Z";
const refused: Parameters<typeof versionObject>[2] = {
  status: {
    conditions: [{ type: "Stalled", status: "True", reason: "NumberTaken", message: "", lastTransitionTime: since }],
  },
};

describe("decideNextStep", () => {
  const cases: Record<string, { seen: Partial<VersionSeen>; want: string }> = {
    "publishes the first": { seen: {}, want: "publish" },
    "publishes what has changed since the newest": {
      seen: { snapshots: [snapshot(1, other)] },
      want: "publish",
    },
    "versions-aliases 2: stands for the newest when nothing has changed": {
      seen: { snapshots: [snapshot(1, other), snapshot(2)] },
      want: "copy 2",
    },
    "publishes what an older version had, after another": {
      seen: { snapshots: [snapshot(1), snapshot(2, other)] },
      want: "publish",
    },
    "publishes a claimed number also where nothing has changed": {
      seen: { object: versionObject("v", { version: 7 }), snapshots: [snapshot(2)] },
      want: "publish",
    },
    "stands for the version that has the claimed number, if that is just the same": {
      seen: { object: versionObject("v", { version: 2 }), snapshots: [snapshot(2), snapshot(3, other)] },
      want: "copy 2",
    },
    "stands for the claimed number as its publisher, where the function has published it by itself": {
      seen: versionSeen({
        object: versionObject("v", { version: 2 }),
        snapshots: [snapshot(2, candidate(), "auto")],
        selfPublished: new Set(["auto"]),
      }),
      want: "copy 2 by v",
    },
    "refuses a claimed number that other code has": {
      seen: { object: versionObject("v", { version: 2 }), snapshots: [snapshot(2, other)] },
      want: "refuse NumberTaken",
    },
    "waits for its function": { seen: { function: undefined, current: undefined }, want: "wait FunctionNotFound" },
    "waits for a spec that runs": { seen: { current: undefined }, want: "wait FunctionNotReady" },
    "versions-aliases 7: waits for the code that it names": {
      seen: { object: versionObject("v", { codeSHA256: "b3RoZXI=" }) },
      want: "wait CodeDiffers",
    },
    "publishes the code that it names": {
      seen: { object: versionObject("v", { codeSHA256: resolvedPackage.codeSHA256 }) },
      want: "publish",
    },
    "refuses another account's function, whatever is here": { seen: { isForeign: true }, want: "refuse OtherAccount" },
    "waits for an older one": {
      seen: { waiting: [versionObject("a", {}, { creationTimestamp: "2026-01-01T00:00:00Z" })] },
      want: "wait VersionQueued",
    },
    "waits for claims, also younger ones": {
      seen: { waiting: [versionObject("a", { version: 3 }, { creationTimestamp: "2026-01-09T00:00:00Z" })] },
      want: "wait VersionQueued",
    },
    "does not wait for a younger one": {
      seen: { waiting: [versionObject("a", {}, { creationTimestamp: "2026-01-09T00:00:00Z" })] },
      want: "publish",
    },
    "does not wait for one that waits for other code, is refused, lost or goes": {
      seen: {
        waiting: [
          versionObject("a", { version: 3, codeSHA256: "b3RoZXI=" }),
          versionObject("b", { version: 4 }, refused),
          versionObject("d", {}, { status: { version: 2 }, creationTimestamp: "2026-01-01T00:00:00Z" }),
          versionObject("c", { version: 5 }, { deletionTimestamp: "2026-01-09T00:00:00Z" }),
        ],
      },
      want: "publish",
    },
    "with a claim does not wait": {
      seen: { object: versionObject("v", { version: 9 }), waiting: [versionObject("a", { version: 3 })] },
      want: "publish",
    },
  };
  for (const [title, { seen, want }] of Object.entries(cases)) {
    it(title, () => {
      const step = decideNextStep(versionSeen(seen));
      const detail =
        step.type === "copy"
          ? ` ${step.of.version}${step.of.publishedBy === "v" ? " by v" : ""}`
          : "reason" in step
            ? ` ${step.reason}`
            : "";
      assert.equal(`${step.type}${detail}`, want);
    });
  }

  it("lets exactly one of those that claim nothing come first, in whatever order they are looked at", () => {
    const ages = fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(ages, (seconds) => {
        const versions = seconds.map((second) =>
          versionObject(
            `v${second}`,
            {},
            { creationTimestamp: `2026-01-02T00:00:${String(second).padStart(2, "0")}Z` },
          ),
        );
        const first = versions.filter((object) => {
          const waiting = versions.filter((each) => each !== object);
          return decideNextStep(versionSeen({ object, waiting })).type === "publish";
        });
        assert.deepEqual(
          first.map(({ metadata }) => metadata.name),
          [`v${Math.min(...seconds)}`],
        );
      }),
    );
  });
});
