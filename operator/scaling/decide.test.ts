import assert from "node:assert/strict";
import fc from "fast-check";
import { decideScaling, type EnvironmentSeen, type ReplicaSeen, type ScalingPlan, type ScalingSeen } from "./decide.ts";

const keepAliveMs = 300_000;

function seen(changes: Partial<ScalingSeen> = {}): ScalingSeen {
  return {
    isWanted: true,
    target: { revisionID: "new", maxEnvironments: 10, keepAliveMs },
    environments: [],
    replicas: [replica()],
    creating: 0,
    asked: new Set(),
    backOffMs: 0,
    mayRelease: true,
    createAtOnce: 50,
    ...changes,
  };
}

function replica(
  changes: {
    needed?: number;
    initialized?: number;
    idle?: Record<string, number>;
    inDoubt?: Record<string, number>;
    confirmed?: string[];
    knows?: boolean;
  } = {},
): ReplicaSeen {
  return {
    knowsFunction: changes.knows ?? true,
    needed: changes.needed ?? 0,
    ...(changes.initialized !== undefined && { initialized: changes.initialized }),
    idleForMsByUid: new Map(Object.entries(changes.idle ?? {})),
    inDoubtForMsByUid: new Map(Object.entries(changes.inDoubt ?? {})),
    confirmed: new Set(changes.confirmed ?? []),
  };
}

function environment(uid: string, changes: Partial<EnvironmentSeen> = {}): EnvironmentSeen {
  return { uid, revisionID: "new", phase: "running", ageMs: 1000, ...changes };
}

/** One is old, and another was made to replace it. */
function agedSeen(word: Parameters<typeof replica>[0]): ScalingSeen {
  return seen({
    target: { revisionID: "new", maxEnvironments: 10, keepAliveMs, maxAgeMs: 60_000 },
    environments: [environment("a", { ageMs: 60_000 }), environment("b", { replaces: "a" })],
    replicas: [replica(word)],
  });
}

const nothing: ScalingPlan = { create: 0, replace: [], release: [], remove: [], isAtMost: false };
const long = keepAliveMs;

const cases: Record<string, { seen: ScalingSeen; want: Partial<ScalingPlan> }> = {
  "creates a whole burst at once": { seen: seen({ replicas: [replica({ needed: 7 })] }), want: { create: 7 } },
  "adds up the numbers of several routers": {
    seen: seen({ replicas: [replica({ needed: 2 }), replica({ needed: 3 })] }),
    want: { create: 5 },
  },
  "counts what it created and has not seen yet": {
    seen: seen({ replicas: [replica({ needed: 3 })], creating: 2, environments: [environment("a")] }),
    want: { create: 0 },
  },
  "keeps what stands in until its successor runs, and makes one also where nobody calls": {
    seen: seen({
      environments: [environment("a", { revisionID: "old", standsIn: true })],
      replicas: [replica({ idle: { a: 5 } })],
    }),
    want: { create: 1, release: [] },
  },
  "makes as many as calls need beside what stands in": {
    seen: seen({
      environments: ["a", "b", "c"].map((uid) => environment(uid, { revisionID: "old", standsIn: true })),
      replicas: [replica({ needed: 3 })],
    }),
    want: { create: 3, release: [] },
  },
  "asks back what stands in as its successors run, what is idle first": {
    seen: seen({
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
    seen: seen({
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
    seen: seen({
      environments: [environment("a", { revisionID: "old", standsIn: true }), environment("x")],
      replicas: [replica({ idle: { a: 5, x: 1 } })],
    }),
    want: { create: 0, release: ["a"] },
  },
  "keeps what stands in while its successors do not come up": {
    seen: seen({
      environments: [
        environment("a", { revisionID: "old", standsIn: true }),
        environment("x", { phase: "failed", revisionID: "new" }),
      ],
      replicas: [replica({ needed: 1 })],
      backOffMs: 1000,
    }),
    want: { create: 0, release: [], remove: ["x"] },
  },
  "counts environments that still start": {
    seen: seen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { phase: "starting" })] }),
    want: { create: 0 },
  },
  "stays within the limit, and says so": {
    seen: seen({ replicas: [replica({ needed: 99 })] }),
    want: { create: 10, isAtMost: true },
  },
  "is at no limit with as many as calls need": {
    seen: seen({ replicas: [replica({ needed: 10 })], creating: 10 }),
    want: { create: 0, isAtMost: false },
  },
  "is at no limit before as many are on their way": {
    seen: seen({ replicas: [replica({ needed: 99 })], createAtOnce: 4 }),
    want: { create: 4, isAtMost: false },
  },
  "creates so many in one pass": {
    seen: seen({ replicas: [replica({ needed: 9 })], createAtOnce: 4 }),
    want: { create: 4 },
  },
  "creates nothing while it backs off": {
    seen: seen({ replicas: [replica({ needed: 1 })], backOffMs: 1 }),
    want: { create: 0 },
  },
  "removes at once what is over, and replaces it": {
    seen: seen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { phase: "ended" })] }),
    want: { create: 1, remove: ["a"] },
  },
  "removes at once what failed": {
    seen: seen({ environments: [environment("a", { phase: "failed" })] }),
    want: { remove: ["a"] },
  },
  "does not count a pod that is being deleted": {
    seen: seen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { phase: "terminating" })] }),
    want: { create: 1 },
  },
  "asks an idle environment back before it removes it": {
    seen: seen({ replicas: [replica({ idle: { a: long } })], environments: [environment("a")] }),
    want: { release: ["a"] },
  },
  "keeps an environment within its keep-alive": {
    seen: seen({ replicas: [replica({ idle: { a: long - 1 } })], environments: [environment("a")] }),
    want: {},
  },
  "keeps what another router used lately": {
    seen: seen({
      replicas: [replica({ idle: { a: long } }), replica({ idle: { a: 5 } })],
      environments: [environment("a")],
    }),
    want: {},
  },
  "keeps what another router may be using": {
    seen: seen({
      replicas: [replica({ idle: { a: long } }), replica({ needed: 1 })],
      environments: [environment("a"), environment("b")],
    }),
    want: {},
  },
  "minds no router that has never heard of the function": {
    seen: seen({
      replicas: [replica({ idle: { a: long } }), replica({ knows: false })],
      environments: [environment("a")],
    }),
    want: { release: ["a"] },
  },
  "keeps what no router claims": { seen: seen({ environments: [environment("a", { ageMs: 1e9 })] }), want: {} },
  "keeps as many idle ones as are needed, the fresher ones": {
    seen: seen({
      replicas: [replica({ needed: 1, idle: { a: long + 1, b: long + 2 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { release: ["b"] },
  },
  "gives up what has not started for long and is not needed": {
    seen: seen({ environments: [environment("a", { phase: "starting", ageMs: long })] }),
    want: { release: ["a"] },
  },
  "asks older revisions back at once and creates the new one beside them": {
    seen: seen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { revisionID: "old" })] }),
    want: { create: 1, release: ["a"] },
  },
  "removes what came back": {
    seen: seen({ replicas: [replica({ confirmed: ["a"] })], asked: new Set(["a"]), environments: [environment("a")] }),
    want: { release: ["a"], remove: ["a"] },
  },
  "waits until every router gave it back": {
    seen: seen({
      replicas: [replica({ confirmed: ["a"] }), replica()],
      asked: new Set(["a"]),
      environments: [environment("a")],
    }),
    want: { release: ["a"] },
  },
  "does not remove what it did not ask for": {
    seen: seen({ replicas: [replica({ confirmed: ["a"], needed: 1 })], environments: [environment("a")] }),
    want: {},
  },
  "replaces an environment that was asked back when calls come again": {
    seen: seen({ replicas: [replica({ needed: 1 })], asked: new Set(["a"]), environments: [environment("a")] }),
    want: { create: 1, release: ["a"] },
  },
  "keeps everything when no router reports": {
    seen: seen({
      replicas: [],
      asked: new Set(["b"]),
      environments: [
        environment("a", { revisionID: "old" }),
        environment("b"),
        environment("c", { phase: "starting", ageMs: 1e9 }),
      ],
    }),
    want: { release: ["b"] },
  },
  "asks nothing back shortly after a start": {
    seen: seen({ mayRelease: false, replicas: [replica({ idle: { a: long } })], environments: [environment("a")] }),
    want: {},
  },
  "removes everything when the function is gone": {
    seen: seen({
      isWanted: false,
      replicas: [replica({ needed: 3 })],
      environments: [environment("a"), environment("b", { phase: "terminating" })],
    }),
    want: { remove: ["a"] },
  },
  "replaces at once what somebody takes away and calls used, once, and counts that": {
    seen: seen({
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
    seen: seen({
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
    seen: seen({
      environments: ["a", "b", "c"].map((uid) => environment(uid, { phase: "terminating", isMissed: true })),
    }),
    want: { replace: ["a"] },
  },
  "does not count an environment that is not heard": {
    seen: seen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { isCutOff: true })] }),
    want: { create: 1 },
  },
  "makes only what those that a new owner has not heard of cannot take": {
    seen: seen({
      replicas: [replica({ needed: 3, inDoubt: { a: 100, b: 100 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { create: 1 },
  },
  "counts as in use what has not been heard of for long": {
    seen: seen({
      replicas: [replica({ needed: 3, inDoubt: { a: 2000, b: 1999 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { create: 2 },
  },
  "makes nothing for what has not been heard of for long where no call waits": {
    seen: seen({
      replicas: [replica({ inDoubt: { a: 9000, b: 9000 } })],
      environments: [environment("a"), environment("b", { isCutOff: true })],
    }),
    want: {},
  },
  "counts what still starts as there, however long a new owner has not heard of it": {
    seen: seen({
      replicas: [replica({ needed: 1, inDoubt: { a: 9000 } })],
      environments: [environment("a", { phase: "starting" })],
    }),
    want: {},
  },
  "does not count what has not been heard of and whose node is gone": {
    seen: seen({
      replicas: [replica({ needed: 1, inDoubt: { a: 100, b: 9000 } })],
      environments: [environment("a", { isCutOff: true }), environment("b", { isCutOff: true })],
    }),
    want: { create: 1 },
  },
  "asks back what is idle for long although others may run": {
    seen: seen({
      replicas: [replica({ idle: { a: long }, inDoubt: { b: 0 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { release: ["a"] },
  },
  "replaces what is old and in use, keeps it until its successor runs, and makes no third for it": {
    seen: seen({
      target: { revisionID: "new", maxEnvironments: 10, keepAliveMs, maxAgeMs: 500 },
      replicas: [replica({ needed: 1 })],
      environments: [environment("a")],
    }),
    want: { create: 0, replace: ["a"], release: [] },
  },
  "leaves everything alone while no revision can be run": {
    seen: {
      ...omitTarget(seen({ replicas: [replica({ needed: 3, idle: { a: long } })] })),
      environments: [environment("a")],
    },
    want: {},
  },
};

function omitTarget({ target: _, ...rest }: ScalingSeen): ScalingSeen {
  return rest;
}

describe("decideScaling", () => {
  for (const [sentence, { seen: input, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(decideScaling(input), { ...nothing, ...want }));
  }

  const uids = ["a", "b", "c", "d", "e"];
  const aReplica = fc.record({
    needed: fc.nat(12),
    idle: fc.dictionary(fc.constantFrom(...uids), fc.nat(600_000)),
    inDoubt: fc.dictionary(fc.constantFrom(...uids), fc.nat(4000)),
    confirmed: fc.subarray(uids),
    knows: fc.boolean(),
  });
  const anEnvironment = (uid: string) =>
    fc.record({
      uid: fc.constant(uid),
      revisionID: fc.constantFrom("new", "old"),
      phase: fc.constantFrom("starting", "running", "ended", "failed", "terminating"),
      ageMs: fc.nat(1e6),
    });
  const aSeen = fc
    .record({
      environments: fc.subarray(uids).chain((some) => fc.tuple(...some.map(anEnvironment))),
      replicas: fc.array(aReplica.map(replica), { maxLength: 3 }),
      creating: fc.nat(4),
      asked: fc.subarray(uids).map((some) => new Set(some)),
      backOffMs: fc.constantFrom(0, 0, 100),
      mayRelease: fc.boolean(),
    })
    .map((changes) => seen(changes as Partial<ScalingSeen>));

  it("never has more environments of a revision than the limit, nor more than calls need", () => {
    fc.assert(
      fc.property(aSeen, (input) => {
        const plan = decideScaling(input);
        const usable = input.environments.filter(
          ({ uid, revisionID, phase }) =>
            revisionID === "new" && (phase === "starting" || phase === "running") && !plan.release.includes(uid),
        );
        const needed = input.replicas.reduce((sum, { needed: n }) => sum + n, 0);
        if (plan.create === 0) return;
        const inDoubt = usable.filter(({ uid }) => input.replicas.some((one) => one.inDoubtForMsByUid?.has(uid)));
        assert.ok(usable.length + input.creating + plan.create <= Math.min(10, needed + inDoubt.length));
      }),
    );
  });

  it("never makes more at once than calls need, whatever is in doubt and for however long", () => {
    fc.assert(
      fc.property(aSeen, (input) => {
        const needed = input.replicas.reduce((sum, { needed: n }) => sum + n, 0);
        assert.ok(decideScaling(input).create <= Math.max(needed, 1));
      }),
    );
  });

  it("never removes a living environment that a router has not given back", () => {
    fc.assert(
      fc.property(aSeen, (input) => {
        const plan = decideScaling(input);
        for (const uid of plan.remove) {
          const { phase } = input.environments.find((candidate) => candidate.uid === uid)!;
          const isOver = phase === "ended" || phase === "failed";
          const isBack =
            input.asked.has(uid) &&
            input.replicas.length > 0 &&
            input.replicas.every(({ confirmed }) => confirmed.has(uid));
          assert.ok(isOver || isBack);
        }
      }),
    );
  });

  it("never takes back what it asked for", () => {
    fc.assert(
      fc.property(aSeen, (input) => {
        const { release } = decideScaling(input);
        const living = input.environments.filter(({ phase }) => phase === "starting" || phase === "running");
        for (const { uid } of living) if (input.asked.has(uid)) assert.ok(release.includes(uid));
      }),
    );
  });

  it("comes to rest: asked twice about what it made so, it wants nothing more created", () => {
    fc.assert(
      fc.property(aSeen, (input) => {
        const first = decideScaling({ ...input, backOffMs: 0 });
        const fresh = { phase: "starting", ageMs: 0 } as const;
        const made = [
          ...Array.from({ length: first.create }, (_, i) => environment(`new-${i}`, fresh)),
          ...first.replace.map((uid) => environment(`for-${uid}`, { ...fresh, replaces: uid })),
        ];
        const left = input.environments.filter(({ uid }) => !first.remove.includes(uid));
        const again = decideScaling({
          ...input,
          backOffMs: 0,
          environments: [...left, ...made],
          asked: new Set(first.release),
        });
        assert.equal(again.create, 0);
        assert.deepEqual(again.replace, []);
        assert.deepEqual(
          again.release,
          first.release.filter((uid) => !first.remove.includes(uid)),
        );
      }),
    );
  });
});
