import assert from "node:assert/strict";
import fc from "fast-check";
import {
  calledForMs,
  decidePool,
  pickFromPool,
  type CalledKind,
  type PoolPodSeen,
  type PoolSeen,
} from "./pool-decide.ts";

const settings = { size: 1, keepMs: 600_000, perNamespace: 2, total: 3 };

function kind(genericID: string, calledForMs = 0, namespace = "a"): CalledKind {
  return { namespace, genericID, calledForMs };
}

function pod(uid: string, changes: Partial<PoolPodSeen> = {}): PoolPodSeen {
  const waiting = {
    namespace: "a",
    genericID: "n",
    phase: "running",
    ageMs: 1000,
    isHeld: false,
    isLost: false,
  } as const;
  return { ...waiting, uid, ...changes };
}

function seen(changes: Partial<PoolSeen> = {}): PoolSeen {
  const nothing = {
    kinds: [],
    pods: [],
    creating: [],
    closedNamespaces: new Set<string>(),
    isClosed: false,
    mayCreate: () => true,
  };
  return { settings, ...nothing, ...changes };
}

const cases: Record<string, { seen: PoolSeen; create?: string[]; remove?: string[] }> = {
  "has none where nothing is called": { seen: seen() },
  "has one of a kind that is called": { seen: seen({ kinds: [kind("n")] }), create: ["a/n"] },
  "keeps what is there": { seen: seen({ kinds: [kind("n")], pods: [pod("1")] }) },
  "counts what is on its way": { seen: seen({ kinds: [kind("n")], creating: [kind("n")] }) },
  "fills up behind one that becomes a function's": {
    seen: seen({ kinds: [kind("n")], pods: [pod("1", { isHeld: true })] }),
    create: ["a/n"],
  },
  "fills up behind one that goes": {
    seen: seen({ kinds: [kind("n")], pods: [pod("1", { phase: "terminating" })] }),
    create: ["a/n"],
  },
  "has several where it should": {
    seen: seen({ settings: { ...settings, size: 2 }, kinds: [kind("n")] }),
    create: ["a/n", "a/n"],
  },
  "lets go of what was not called lately": {
    seen: seen({ kinds: [kind("n", 600_000)], pods: [pod("1")] }),
    remove: ["1"],
  },
  "lets go of a kind that no function is of any more": { seen: seen({ pods: [pod("1")] }), remove: ["1"] },
  "replaces one whose kind is another now": {
    seen: seen({ kinds: [kind("m")], pods: [pod("1")] }),
    create: ["a/m"],
    remove: ["1"],
  },
  "replaces one that has ended, one that never starts and one that is lost": {
    seen: seen({
      settings: { ...settings, size: 2, perNamespace: 3 },
      kinds: [kind("n")],
      pods: [pod("1", { phase: "ended" }), pod("2", { phase: "starting", ageMs: 60_000 }), pod("3", { isLost: true })],
    }),
    create: ["a/n", "a/n"],
    remove: ["1", "2", "3"],
  },
  "lets what does not run yet go first, then the oldest": {
    seen: seen({
      kinds: [kind("n")],
      pods: [pod("1", { ageMs: 9 }), pod("2", { ageMs: 5 }), pod("3", { phase: "starting", ageMs: 1 })],
    }),
    remove: ["3", "1"],
  },
  "never takes back one that becomes a function's": { seen: seen({ pods: [pod("1", { isHeld: true })] }) },
  "has no more than the namespace may, those called last": {
    seen: seen({ kinds: [kind("n", 30), kind("m", 10), kind("o", 20)] }),
    create: ["a/m", "a/o"],
  },
  "has no more than all may together": {
    seen: seen({ kinds: [kind("n", 1), kind("m", 2), kind("n", 3, "b"), kind("m", 4, "b")] }),
    create: ["a/n", "a/m", "b/n"],
  },
  "goes where something that is needed has no room": {
    seen: seen({ kinds: [kind("n"), kind("n", 0, "b")], pods: [pod("1")], closedNamespaces: new Set(["a"]) }),
    create: ["b/n"],
    remove: ["1"],
  },
  "is kept and not filled up where the last one could not be made": {
    seen: seen({
      settings: { ...settings, size: 2 },
      kinds: [kind("n"), kind("n", 0, "b")],
      pods: [pod("1"), pod("2", { isLost: true })],
      mayCreate: (namespace) => namespace === "b",
    }),
    create: ["b/n"],
    remove: ["2"],
  },
  "goes everywhere when a node had no room for what is needed": {
    seen: seen({ kinds: [kind("n")], pods: [pod("1"), pod("2", { namespace: "b" })], isClosed: true }),
    remove: ["1", "2"],
  },
};

describe("decidePool", () => {
  for (const [sentence, { seen: of, create = [], remove = [] }] of Object.entries(cases)) {
    it(sentence, () => {
      const plan = decidePool(of);
      assert.deepEqual(
        plan.create.map(({ namespace, genericID }) => `${namespace}/${genericID}`).sort(),
        create.sort(),
      );
      assert.deepEqual([...plan.remove].sort(), remove.sort());
    });
  }

  it("comes to rest within its bounds, whatever is called and whatever is there", () => {
    const names = fc.constantFrom("a", "b", "c");
    const kinds = fc.uniqueArray(fc.record({ namespace: names, genericID: names, calledForMs: fc.nat(900_000) }), {
      selector: ({ namespace, genericID }) => `${namespace}/${genericID}`,
    });
    const pods = fc.array(fc.record({ namespace: names, genericID: names, ageMs: fc.nat(50_000) }), { maxLength: 12 });
    fc.assert(
      fc.property(kinds, pods, fc.nat(3), (called, there, size) => {
        const before = seen({
          settings: { ...settings, size },
          kinds: called,
          pods: there.map((each, index) => pod(String(index), each)),
        });
        const plan = decidePool(before);
        const kept = before.pods.filter(({ uid }) => !plan.remove.includes(uid));
        const made = plan.create.map((each, index) => pod(`new-${index}`, each));
        const after = { ...before, pods: [...kept, ...made] };
        assert.ok(after.pods.length <= settings.total);
        assert.deepEqual(decidePool(after), { create: [], remove: [] });
      }),
    );
  });
});

describe("calledForMs", () => {
  const replica = (needed: number, idle: Record<string, number>) => ({
    ...{ knowsFunction: true, needed, confirmed: new Set<string>() },
    idleForMsByUid: new Map(Object.entries(idle)),
  });
  const environments = ["1", "2"].map((uid) => ({ uid, revisionID: "r", phase: "running", ageMs: 0 }) as const);

  it("is now while a call runs or waits, else when the last one ended", () => {
    assert.equal(calledForMs({ replicas: [replica(0, { 1: 5 }), replica(1, {})], environments }), 0);
    assert.equal(calledForMs({ replicas: [replica(0, { 1: 50, 2: 7 }), replica(0, { 3: 1 })], environments }), 7);
    assert.equal(calledForMs({ replicas: [replica(0, { 3: 1 })], environments }), undefined);
    assert.equal(calledForMs({ replicas: [], environments }), undefined);
  });
});

describe("pickFromPool", () => {
  it("takes the one that has waited longest, and none that cannot be taken", () => {
    const pods = [
      { uid: "1", createdAtMs: 1, isFree: false },
      { uid: "3", createdAtMs: 3, isFree: true },
      { uid: "2", createdAtMs: 2, isFree: true },
    ];
    assert.equal(pickFromPool(pods)?.uid, "2");
    assert.equal(pickFromPool(pods.slice(0, 1)), undefined);
  });
});
