import assert from "node:assert/strict";
import type { ReplicaSeen } from "./decide.ts";
import { decideProvisioned, wantedByVersion, type KeptEnvironment, type ProvisionedSeen } from "./provisioned.ts";

function kept(uid: string, changes: Partial<KeptEnvironment> = {}): KeptEnvironment {
  return { uid, revisionID: "r", phase: "running", ageMs: 1000, isReady: true, hasFailedInit: false, ...changes };
}

function replica(changes: Partial<ReplicaSeen> = {}): ReplicaSeen {
  return { knowsFunction: true, needed: 0, idleForMsByUid: new Map(), confirmed: new Set(), ...changes };
}

function seen(changes: Partial<ProvisionedSeen> = {}): ProvisionedSeen {
  return {
    wanted: 2,
    revisionID: "r",
    environments: [],
    replicas: [replica()],
    creating: 0,
    asked: new Set(),
    isFailing: false,
    backOffMs: 0,
    maxAgeMs: Infinity,
    creatingFor: new Set(),
    mayRelease: true,
    createAtOnce: 50,
    ...changes,
  };
}

const two = [kept("a"), kept("b")];
const nothing: ReturnType<typeof decideProvisioned> = { create: 0, replace: [], release: [], remove: [] };
const idle = (times: Readonly<Record<string, number>>) => [replica({ idleForMsByUid: new Map(Object.entries(times)) })];

const cases: Record<string, { readonly seen: ProvisionedSeen; readonly want: Partial<typeof nothing> }> = {
  "makes what lacks": { seen: seen({ environments: [kept("a")] }), want: { create: 1 } },
  "waits for what is being made": { seen: seen({ creating: 2 }), want: {} },
  "is content when all are there, whoever calls": { seen: seen({ environments: two, replicas: [] }), want: {} },
  "replaces one that has ended": {
    seen: seen({ environments: [kept("a"), kept("b", { phase: "ended" })] }),
    want: { create: 1, remove: ["b"] },
  },
  "replaces one that somebody takes away": {
    seen: seen({ environments: [kept("a"), kept("b", { phase: "terminating" })] }),
    want: { create: 1 },
  },
  "makes up for one that nobody hears": {
    seen: seen({ environments: [kept("a"), kept("b", { isCutOff: true })] }),
    want: { create: 1 },
  },
  "keeps what makes up for one that nobody hears while it starts": {
    seen: seen({
      environments: [kept("a"), kept("b", { isCutOff: true }), kept("c", { phase: "starting", isReady: false })],
    }),
    want: {},
  },
  "gives up the one that nobody hears once its place is taken": {
    seen: seen({
      environments: [kept("a"), kept("b", { isCutOff: true }), kept("c")],
      replicas: idle({ a: 500, c: 10 }),
    }),
    want: { release: ["b"] },
  },
  "gives up what was to make up for one that is heard again first": {
    seen: seen({ environments: [kept("a"), kept("b"), kept("c", { phase: "starting", isReady: false })] }),
    want: { release: ["c"] },
  },
  "makes up once for an old one that nobody hears and that has a successor": {
    seen: seen({
      wanted: 1,
      environments: [kept("a", { isCutOff: true }), kept("b", { replaces: "a", phase: "starting", isReady: false })],
    }),
    want: {},
  },
  "removes what failed in its init": {
    seen: seen({ environments: [kept("a"), kept("b", { hasFailedInit: true, isReady: false })], backOffMs: 500 }),
    want: { remove: ["b"] },
  },
  "tries one at a time while they fail": { seen: seen({ wanted: 5, isFailing: true }), want: { create: 1 } },
  "tries no second one before the first has shown how it does": {
    seen: seen({ wanted: 5, isFailing: true, environments: [kept("a", { isReady: false })] }),
    want: {},
  },
  "gives up what has been idle for longest": {
    seen: seen({ wanted: 1, environments: [kept("a"), kept("b")], replicas: idle({ a: 10, b: 20 }) }),
    want: { release: ["b"] },
  },
  "gives up what has not started before what is in use": {
    seen: seen({ wanted: 1, environments: [kept("a"), kept("b", { phase: "starting", isReady: false })] }),
    want: { release: ["b"] },
  },
  "removes what came back": {
    seen: seen({
      wanted: 1,
      environments: two,
      asked: new Set(["b"]),
      replicas: [replica({ confirmed: new Set(["b"]) })],
    }),
    want: { release: ["b"], remove: ["b"] },
  },
  "keeps those of a former revision until all of the present one are ready": {
    seen: seen({
      environments: [...two, kept("o", { revisionID: "old" })].map((one, at) =>
        at === 1 ? { ...one, isReady: false } : one,
      ),
    }),
    want: {},
  },
  "then gives them up": {
    seen: seen({ environments: [...two, kept("o", { revisionID: "old" })] }),
    want: { release: ["o"] },
  },
  "gives all up when nothing is wanted, also where nothing can be made": {
    seen: seen({ wanted: 0, revisionID: undefined, environments: two }),
    want: { release: ["a", "b"] },
  },
  "gives nothing up before every router has spoken": {
    seen: seen({ wanted: 0, environments: two, mayRelease: false }),
    want: {},
  },
  "replaces one that is old": {
    seen: seen({ environments: [kept("a", { ageMs: 100_000 }), kept("b")], maxAgeMs: 50_000 }),
    want: { replace: ["a"] },
  },
  "replaces one that is old also after a successor has failed, with a pause": {
    seen: seen({ environments: [kept("a"), kept("b", { ageMs: 1_000_000 })], maxAgeMs: 60_000, isFailing: true }),
    want: { replace: ["b"] },
  },
  "replaces none that is old during the pause": {
    seen: seen({
      environments: [kept("a"), kept("b", { ageMs: 1_000_000 })],
      ...{ maxAgeMs: 60_000, isFailing: true, backOffMs: 500 },
    }),
    want: {},
  },
  "keeps the old one until its successor is ready": {
    seen: seen({
      environments: [...two, kept("c", { replaces: "a", isReady: false, phase: "starting" })],
      maxAgeMs: 500,
    }),
    want: {},
  },
  "then gives the old one up": {
    seen: seen({ environments: [...two, kept("c", { replaces: "a" })], maxAgeMs: 100_000 }),
    want: { release: ["a"] },
  },
};

describe("decideProvisioned", () => {
  for (const [name, { seen: input, want }] of Object.entries(cases))
    it(name, () => assert.deepEqual(decideProvisioned(input), { ...nothing, ...want }));

  it("wants what comes and what goes on until that is there", () => {
    const share = { qualifier: "live", allocated: 0 };
    const provisioned = [
      { ...share, functionVersion: "1", requested: 0, available: 2 },
      { ...share, functionVersion: "2", requested: 3, available: 0 },
      { ...share, qualifier: "other", functionVersion: "2", requested: 1, available: 1 },
    ];
    assert.deepEqual(
      [...wantedByVersion({ provisioned })],
      [
        ["1", 2],
        ["2", 4],
      ],
    );
  });
});
