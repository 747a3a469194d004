import assert from "node:assert/strict";
import { environment, keepAliveMs, replica, scalingSeen } from "../../test/kit/scaling-seen.ts";
import { decideScaling, type ScalingPlan, type ScalingSeen } from "./decide.ts";

/** One is old, and another was made to replace it. */
function agedSeen(word: Parameters<typeof replica>[0]): ScalingSeen {
  return scalingSeen({
    target: { revisionID: "new", maxEnvironments: 10, keepAliveMs, maxAgeMs: 60_000 },
    environments: [environment("a", { ageMs: 60_000 }), environment("b", { replaces: "a" })],
    replicas: [replica(word)],
  });
}

const nothing: ScalingPlan = { create: 0, replace: [], release: [], remove: [], isAtMost: false };

const cases: Record<string, { seen: ScalingSeen; want: Partial<ScalingPlan> }> = {
  "keeps what stands in until its successor runs, and makes one also where nobody calls": {
    seen: scalingSeen({
      environments: [environment("a", { revisionID: "old", standsIn: true })],
      replicas: [replica({ idle: { a: 5 } })],
    }),
    want: { create: 1, release: [] },
  },
  "makes as many as calls need beside what stands in": {
    seen: scalingSeen({
      environments: ["a", "b", "c"].map((uid) => environment(uid, { revisionID: "old", standsIn: true })),
      replicas: [replica({ needed: 3 })],
    }),
    want: { create: 3, release: [] },
  },
  "asks back what stands in as its successors run, what is idle first": {
    seen: scalingSeen({
      environments: [
        ...["a", "b", "c"].map((uid) => environment(uid, { revisionID: "old", standsIn: true })),
        environment("x"),
        environment("y", { phase: "starting" }),
      ],
      replicas: [replica({ needed: 2, idle: { b: 9, c: 2 } })],
    }),
    want: { create: 0, release: ["b", "c"] },
  },
  "keeps what stands in while its successors bring their code or are in their init": {
    seen: scalingSeen({
      environments: [environment("a", { revisionID: "old", standsIn: true }), environment("x")],
      replicas: [replica({ initialized: 0, idle: { a: 5 } })],
    }),
    want: { release: [] },
  },
  "asks back what is old once its successor has told of its init's end, though that is never idle": {
    seen: agedSeen({ needed: 1, initialized: 2 }),
    want: { release: ["a"] },
  },
  "asks back what is old once its successor is idle": {
    seen: agedSeen({ needed: 1, initialized: 1, idle: { b: 0 } }),
    want: { release: ["a"] },
  },
  "keeps what is old while its successor has not told of its init's end": {
    seen: agedSeen({ needed: 1, initialized: 1 }),
    want: { release: [] },
  },
  "asks all back that stands in once nobody needs it and a successor runs": {
    seen: scalingSeen({
      environments: [environment("a", { revisionID: "old", standsIn: true }), environment("x")],
      replicas: [replica({ idle: { a: 5, x: 1 } })],
    }),
    want: { create: 0, release: ["a"] },
  },
  "keeps what stands in while its successors do not come up": {
    seen: scalingSeen({
      environments: [
        environment("a", { revisionID: "old", standsIn: true }),
        environment("x", { phase: "failed", revisionID: "new" }),
      ],
      replicas: [replica({ needed: 1 })],
      backOffMs: 1000,
    }),
    want: { create: 0, release: [], remove: ["x"] },
  },
  "replaces at once what somebody takes away and calls used, once, and counts that": {
    seen: scalingSeen({
      replicas: [replica({ needed: 2 })],
      environments: [
        environment("a", { phase: "terminating", isMissed: true }),
        environment("b", { phase: "terminating", isMissed: true }),
        environment("c", { phase: "terminating", isMissed: false }),
        environment("d", { phase: "starting", replaces: "b" }),
      ],
    }),
    want: { create: 0, replace: ["a"] },
  },
  "replaces no more than the limit allows, nothing that is of another revision, and not while it backs off": {
    seen: scalingSeen({
      target: { revisionID: "new", maxEnvironments: 1, keepAliveMs },
      replicas: [replica({ needed: 5 })],
      environments: [
        environment("a", { phase: "terminating", isMissed: true }),
        environment("b", { phase: "ended", isMissed: true }),
        environment("c", { phase: "terminating", isMissed: true, revisionID: "old" }),
      ],
    }),
    want: { replace: ["a"], remove: ["b"], isAtMost: true },
  },
  "replaces no more than calls need, and one of those that calls used lately": {
    seen: scalingSeen({
      environments: ["a", "b", "c"].map((uid) => environment(uid, { phase: "terminating", isMissed: true })),
    }),
    want: { replace: ["a"] },
  },
  "replaces what is old and in use, keeps it until its successor runs, and makes no third for it": {
    seen: scalingSeen({
      target: { revisionID: "new", maxEnvironments: 10, keepAliveMs, maxAgeMs: 500 },
      replicas: [replica({ needed: 1 })],
      environments: [environment("a")],
    }),
    want: { create: 0, replace: ["a"], release: [] },
  },
};

describe("decideScaling, where environments get successors", () => {
  for (const [sentence, { seen: input, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(decideScaling(input), { ...nothing, ...want }));
  }
});
