import assert from "node:assert/strict";
import fc from "fast-check";
import { environment, keepAliveMs, replica, scalingSeen } from "../../test/kit/scaling-seen.ts";
import { decideScaling, type ScalingPlan, type ScalingSeen } from "./decide.ts";

const nothing: ScalingPlan = { create: 0, replace: [], release: [], remove: [], isAtMost: false };
const long = keepAliveMs;

const cases: Record<string, { seen: ScalingSeen; want: Partial<ScalingPlan> }> = {
  "creates a whole burst at once": { seen: scalingSeen({ replicas: [replica({ needed: 7 })] }), want: { create: 7 } },
  "adds up the numbers of several routers": {
    seen: scalingSeen({ replicas: [replica({ needed: 2 }), replica({ needed: 3 })] }),
    want: { create: 5 },
  },
  "counts what it created and has not seen yet": {
    seen: scalingSeen({ replicas: [replica({ needed: 3 })], creating: 2, environments: [environment("a")] }),
    want: { create: 0 },
  },
  "counts environments that still start": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { phase: "starting" })] }),
    want: { create: 0 },
  },
  "stays within the limit, and says so": {
    seen: scalingSeen({ replicas: [replica({ needed: 99 })] }),
    want: { create: 10, isAtMost: true },
  },
  "is at no limit with as many as calls need": {
    seen: scalingSeen({ replicas: [replica({ needed: 10 })], creating: 10 }),
    want: { create: 0, isAtMost: false },
  },
  "is at no limit before as many are on their way": {
    seen: scalingSeen({ replicas: [replica({ needed: 99 })], createAtOnce: 4 }),
    want: { create: 4, isAtMost: false },
  },
  "creates so many in one pass": {
    seen: scalingSeen({ replicas: [replica({ needed: 9 })], createAtOnce: 4 }),
    want: { create: 4 },
  },
  "creates nothing while it backs off": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], backOffMs: 1 }),
    want: { create: 0 },
  },
  "removes at once what is over, and replaces it": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { phase: "ended" })] }),
    want: { create: 1, remove: ["a"] },
  },
  "removes at once what failed": {
    seen: scalingSeen({ environments: [environment("a", { phase: "failed" })] }),
    want: { remove: ["a"] },
  },
  "does not count a pod that is being deleted": {
    seen: scalingSeen({
      replicas: [replica({ needed: 1 })],
      environments: [environment("a", { phase: "terminating" })],
    }),
    want: { create: 1 },
  },
  "asks an idle environment back before it removes it": {
    seen: scalingSeen({ replicas: [replica({ idle: { a: long } })], environments: [environment("a")] }),
    want: { release: ["a"] },
  },
  "keeps an environment within its keep-alive": {
    seen: scalingSeen({ replicas: [replica({ idle: { a: long - 1 } })], environments: [environment("a")] }),
    want: {},
  },
  "keeps what another router used lately": {
    seen: scalingSeen({
      replicas: [replica({ idle: { a: long } }), replica({ idle: { a: 5 } })],
      environments: [environment("a")],
    }),
    want: {},
  },
  "keeps what another router may be using": {
    seen: scalingSeen({
      replicas: [replica({ idle: { a: long } }), replica({ needed: 1 })],
      environments: [environment("a"), environment("b")],
    }),
    want: {},
  },
  "minds no router that has never heard of the function": {
    seen: scalingSeen({
      replicas: [replica({ idle: { a: long } }), replica({ knows: false })],
      environments: [environment("a")],
    }),
    want: { release: ["a"] },
  },
  "keeps what no router claims": { seen: scalingSeen({ environments: [environment("a", { ageMs: 1e9 })] }), want: {} },
  "keeps as many idle ones as are needed, the fresher ones": {
    seen: scalingSeen({
      replicas: [replica({ needed: 1, idle: { a: long + 1, b: long + 2 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { release: ["b"] },
  },
  "gives up what has not started for long and is not needed": {
    seen: scalingSeen({ environments: [environment("a", { phase: "starting", ageMs: long })] }),
    want: { release: ["a"] },
  },
  "asks older revisions back at once and creates the new one beside them": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { revisionID: "old" })] }),
    want: { create: 1, release: ["a"] },
  },
  "removes what came back": {
    seen: scalingSeen({
      replicas: [replica({ confirmed: ["a"] })],
      asked: new Set(["a"]),
      environments: [environment("a")],
    }),
    want: { release: ["a"], remove: ["a"] },
  },
  "waits until every router gave it back": {
    seen: scalingSeen({
      replicas: [replica({ confirmed: ["a"] }), replica()],
      asked: new Set(["a"]),
      environments: [environment("a")],
    }),
    want: { release: ["a"] },
  },
  "does not remove what it did not ask for": {
    seen: scalingSeen({ replicas: [replica({ confirmed: ["a"], needed: 1 })], environments: [environment("a")] }),
    want: {},
  },
  "replaces an environment that was asked back when calls come again": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], asked: new Set(["a"]), environments: [environment("a")] }),
    want: { create: 1, release: ["a"] },
  },
  "keeps everything when no router reports": {
    seen: scalingSeen({
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
    seen: scalingSeen({
      mayRelease: false,
      replicas: [replica({ idle: { a: long } })],
      environments: [environment("a")],
    }),
    want: {},
  },
  "removes everything when the function is gone": {
    seen: scalingSeen({
      isWanted: false,
      replicas: [replica({ needed: 3 })],
      environments: [environment("a"), environment("b", { phase: "terminating" })],
    }),
    want: { remove: ["a"] },
  },
  "does not count an environment that is not heard": {
    seen: scalingSeen({ replicas: [replica({ needed: 1 })], environments: [environment("a", { isCutOff: true })] }),
    want: { create: 1 },
  },
  "makes only what those that a new owner has not heard of cannot take": {
    seen: scalingSeen({
      replicas: [replica({ needed: 3, inDoubt: { a: 100, b: 100 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { create: 1 },
  },
  "counts as in use what has not been heard of for long": {
    seen: scalingSeen({
      replicas: [replica({ needed: 3, inDoubt: { a: 2000, b: 1999 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { create: 2 },
  },
  "makes nothing for what has not been heard of for long where no call waits": {
    seen: scalingSeen({
      replicas: [replica({ inDoubt: { a: 9000, b: 9000 } })],
      environments: [environment("a"), environment("b", { isCutOff: true })],
    }),
    want: {},
  },
  "counts what still starts as there, however long a new owner has not heard of it": {
    seen: scalingSeen({
      replicas: [replica({ needed: 1, inDoubt: { a: 9000 } })],
      environments: [environment("a", { phase: "starting" })],
    }),
    want: {},
  },
  "does not count what has not been heard of and whose node is gone": {
    seen: scalingSeen({
      replicas: [replica({ needed: 1, inDoubt: { a: 100, b: 9000 } })],
      environments: [environment("a", { isCutOff: true }), environment("b", { isCutOff: true })],
    }),
    want: { create: 1 },
  },
  "asks back what is idle for long although others may run": {
    seen: scalingSeen({
      replicas: [replica({ idle: { a: long }, inDoubt: { b: 0 } })],
      environments: [environment("a"), environment("b")],
    }),
    want: { release: ["a"] },
  },
  "leaves everything alone while no revision can be run": {
    seen: {
      ...omitTarget(scalingSeen({ replicas: [replica({ needed: 3, idle: { a: long } })] })),
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
    .map((changes) => scalingSeen(changes as Partial<ScalingSeen>));

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
