import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { environment, keepAliveMs, replica, scalingSeen } from "../../test/kit/scaling-seen.ts";
import { decideScaling, type ScalingSeen } from "./decide.ts";
import { nextLookMs } from "./next-look.ts";

function seen({ idleForMs = 0, ...changes }: Partial<ScalingSeen> & { readonly idleForMs?: number } = {}): ScalingSeen {
  return scalingSeen({
    target: { revisionID: "new", maxEnvironments: 10, keepAliveMs, maxAgeMs: 1_000_000 },
    environments: [environment("ff")],
    replicas: [replica({ idle: { ff: idleForMs } })],
    ...changes,
  });
}

function withoutTarget({ target: _target, ...others }: ScalingSeen): ScalingSeen {
  return others;
}

const cases: Record<string, { readonly seen: ScalingSeen; readonly wantMs: number }> = {
  "now and then where nothing is about to happen": { seen: seen(), wantMs: 10_000 },
  "now and then where nothing can be run": { seen: withoutTarget(seen({ environments: [] })), wantMs: 10_000 },
  "when an environment has been idle for its keep-alive": { seen: seen({ idleForMs: keepAliveMs - 700 }), wantMs: 700 },
  "at once when it has been already": { seen: seen({ idleForMs: keepAliveMs + 5 }), wantMs: 0 },
  "when the first may be old": { seen: seen({ environments: [environment("ff", { ageMs: 899_000 })] }), wantMs: 1000 },
  "at once while one starts": { seen: seen({ environments: [environment("ff", { phase: "starting" })] }), wantMs: 0 },
  "at once while one stands in": { seen: seen({ environments: [environment("ff", { standsIn: true })] }), wantMs: 0 },
  "at once while a successor is there": {
    seen: seen({ environments: [environment("ff", { replaces: "x" })] }),
    wantMs: 0,
  },
  "at once while one is in doubt": {
    seen: seen({
      replicas: [
        {
          ...{ knowsFunction: true, needed: 0, idleForMsByUid: new Map<string, number>() },
          ...{ inDoubtForMsByUid: new Map([["ff", 10]]), confirmed: new Set<string>() },
        },
      ],
    }),
    wantMs: 0,
  },
  "at once until every router may have reported": { seen: seen({ mayRelease: false }), wantMs: 0 },
};

describe("nextLookMs", () => {
  for (const [name, { seen: given, wantMs }] of Object.entries(cases))
    it(`looks again ${name}`, () => assert.equal(Math.round(nextLookMs(given)), wantMs));

  it("misses nothing: what is decided just before is what was decided", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ idleForMs: fc.nat(310_000), ageMs: fc.nat(1_000_000), isIdle: fc.boolean() }), {
          maxLength: 5,
        }),
        fc.nat(3),
        (each, needed) => {
          const at = (laterMs: number): ScalingSeen => ({
            ...seen(),
            environments: each.map(({ ageMs }, i) => environment("ff", { uid: `f${i}`, ageMs: ageMs + laterMs })),
            replicas: [
              {
                knowsFunction: true,
                needed,
                idleForMsByUid: new Map(
                  each.flatMap(({ idleForMs, isIdle }, i) => (isIdle ? [[`f${i}`, idleForMs + laterMs] as const] : [])),
                ),
                confirmed: new Set(),
              },
            ],
          });
          const afterMs = nextLookMs(at(0));
          if (afterMs > 0) assert.deepEqual(decideScaling(at(Math.ceil(afterMs) - 1)), decideScaling(at(0)));
        },
      ),
      { numRuns: 500 },
    );
  });
});
