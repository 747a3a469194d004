import assert from "node:assert/strict";
import fc from "fast-check";
import { decideRecycling, type RecyclableSeen, type Recycling, type RecyclingSeen } from "./recycling.ts";

const hour = 3_600_000;

function seen(environments: readonly RecyclableSeen[], changes: Partial<RecyclingSeen> = {}): RecyclingSeen {
  return {
    environments,
    creating: new Set(),
    maxAgeMs: hour,
    keepAliveMs: 300_000,
    floor: 0,
    mayReplace: true,
    ...changes,
  };
}

function old(uid: string, idleForMs = -1): RecyclableSeen {
  return { uid, phase: "running", isReady: true, ageMs: hour, idleForMs };
}

function young(uid: string, changes: Partial<RecyclableSeen> = {}): RecyclableSeen {
  return { uid, phase: "running", isReady: true, ageMs: 1000, idleForMs: 0, ...changes };
}

const nothing: Recycling = { replace: [], retire: [] };
const minutes = 60_000;
const ten = Array.from({ length: 10 }, (_, number) => old(`o${number}`));

const cases: Record<string, { seen: RecyclingSeen; want: Partial<Recycling> }> = {
  "leaves alone what is young": { seen: seen([young("a")]), want: {} },
  "replaces what is old and in use": { seen: seen([old("a")]), want: { replace: ["a"] } },
  "keeps it while its successor is being made": { seen: seen([old("a")], { creating: new Set(["a"]) }), want: {} },
  "keeps it while its successor starts": {
    seen: seen([old("a"), young("b", { phase: "starting", isReady: false, replaces: "a" })]),
    want: {},
  },
  "keeps it while its successor brings its code or is in its init": {
    seen: seen([old("a"), young("b", { isReady: false, replaces: "a" })]),
    want: {},
  },
  "lets it go when its successor is ready": {
    seen: seen([old("a"), young("b", { replaces: "a" })]),
    want: { retire: ["a"] },
  },
  "makes another when its successor did not come up": {
    seen: seen([old("a"), young("b", { replaces: "gone" })]),
    want: { replace: ["a"] },
  },
  "replaces a tenth at a time": {
    seen: seen([...ten, ...ten.map(({ uid }) => old(`p${uid}`))]),
    want: { replace: ["o0", "o1"] },
  },
  "waits for those under way": {
    seen: seen([...ten, young("x", { phase: "starting", isReady: false, replaces: "o0" })]),
    want: { replace: ["o1"] },
  },
  "lets go without a successor what nobody has called for a minute": {
    seen: seen([old("a", 1000), old("b", 2 * minutes), old("c", 3 * minutes)]),
    want: { replace: ["a"], retire: ["b", "c"] },
  },
  "replaces the last one of a function that is kept alive, the one used last": {
    seen: seen([old("a", 3 * minutes), old("b", 2 * minutes)]),
    want: { replace: ["b"], retire: ["a"] },
  },
  "replaces what is kept though nobody calls": {
    seen: seen([old("a", 99 * minutes), old("b", 99 * minutes)], { floor: 2 }),
    want: { replace: ["a"] },
  },
  "counts the young towards what is kept": {
    seen: seen([old("a", 99 * minutes), young("b"), young("c")], { floor: 2 }),
    want: { retire: ["a"] },
  },
  "keeps what is old when it can have no successor": { seen: seen([old("a")], { mayReplace: false }), want: {} },
  "leaves alone what starts, however long it takes": { seen: seen([{ ...old("a"), phase: "starting" }]), want: {} },
  "ends those of one burst at different times": {
    seen: seen([
      { ...old("00000000-a"), ageMs: hour * 0.95 },
      { ...old("ffffffff-b"), ageMs: hour * 0.95 },
    ]),
    want: { replace: ["ffffffff-b"] },
  },
};

describe("decideRecycling", () => {
  for (const [sentence, { seen: input, want }] of Object.entries(cases)) {
    it(sentence, () => assert.deepEqual(decideRecycling(input), { ...nothing, ...want }));
  }

  it("replaces all that is old in the end, with never fewer than calls use, and never more than a tenth at a time beside them", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(fc.boolean(), { maxLength: 8 }), (count, failures) => {
        let environments: RecyclableSeen[] = Array.from({ length: count }, (_, number) => old(`o${number}`));
        let made = 0;
        for (let round = 0; round < 3 * count + 20; round += 1) {
          const { replace, retire } = decideRecycling(seen(environments));
          const starting = environments.filter(({ phase }) => phase === "starting").length;
          assert.ok(starting + replace.length <= Math.max(1, Math.ceil(environments.length * 0.1)));
          const isFailed = failures[round] === true;
          environments = environments
            .filter(({ uid, phase }) => !retire.includes(uid) && !(isFailed && phase === "starting"))
            .map((environment) => ({ ...environment, phase: "running" as const, isReady: true }));
          assert.ok(environments.length >= count);
          for (const uid of replace)
            environments.push(
              young(`n${(made += 1)}`, { phase: "starting", isReady: false, idleForMs: -1, replaces: uid }),
            );
        }
        assert.equal(environments.filter(({ ageMs }) => ageMs >= hour).length, 0);
        assert.equal(environments.length, count);
      }),
    );
  });
});
