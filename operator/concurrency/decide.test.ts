import assert from "node:assert/strict";
import fc from "fast-check";
import type { GrantedConcurrency, ProvisionedShare } from "../../crds/v1alpha1/invoke-config.ts";
import { claimedBy, minimumOf } from "./claims.ts";
import type { ProvisionedWish } from "./conflicts.ts";
import { decideConcurrency, type ConcurrencySeen } from "./decide.ts";

function seen(seen: Partial<ConcurrencySeen> = {}): ConcurrencySeen {
  return {
    reserved: undefined,
    wishes: [],
    granted: undefined,
    claimedByOthers: 0,
    rules: { limit: 1000, unreservedMinimum: 100 },
    ready: {},
    failures: {},
    ...seen,
  };
}

function wish(qualifier: string, requested: number, shares?: Readonly<Record<string, number>>): ProvisionedWish {
  return { qualifier, order: `2026-01-01 ${qualifier}`, requested, shares: shares ?? { [qualifier]: 1 } };
}

function share(
  qualifier: string,
  functionVersion: string,
  [requested, allocated, available]: readonly [number, number, number],
): ProvisionedShare {
  return { qualifier, functionVersion, requested, allocated, available };
}

const ready = (qualifier: string, number: number): GrantedConcurrency => ({
  provisioned: [share(qualifier, qualifier, [number, number, number])],
});
const failed = "FUNCTION_ERROR_INIT_FAILURE";
const reserved = (reservedConcurrentExecutions: number): GrantedConcurrency => ({ reservedConcurrentExecutions });

/** Of each version no more may be used than are ready, or were used before. */
function isUsedOnce({ ready: there, granted }: ConcurrencySeen, provisioned: readonly ProvisionedShare[]): boolean {
  const used = (shares: readonly ProvisionedShare[] = [], version: string): number =>
    shares.filter((one) => one.functionVersion === version).reduce((total, { available }) => total + available, 0);
  return ["1", "2"].every(
    (version) => used(provisioned, version) <= Math.max(there[version] ?? 0, used(granted?.provisioned, version)),
  );
}

const cases: Record<
  string,
  { readonly seen: ConcurrencySeen; readonly want: GrantedConcurrency; readonly refusal?: string }
> = {
  "concurrency 2: R is granted": { seen: seen({ reserved: 5 }), want: reserved(5) },
  "concurrency 3: R goes": { seen: seen({ granted: reserved(5) }), want: {} },
  "concurrency 5: L - 99 is refused": {
    seen: seen({ reserved: 901 }),
    want: {},
    refusal:
      "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
  },
  "concurrency 5: L - 100 is accepted": { seen: seen({ reserved: 900 }), want: reserved(900) },
  "concurrency 5: what others have counts": {
    seen: seen({ reserved: 101, claimedByOthers: 800, granted: reserved(50) }),
    want: reserved(50),
    refusal:
      "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
  },
  "less than before is granted whatever the account has": {
    seen: seen({ reserved: 40, claimedByOthers: 990, granted: reserved(50) }),
    want: reserved(40),
  },
  "R = 0 is granted whatever the account has": { seen: seen({ reserved: 0, claimedByOthers: 990 }), want: reserved(0) },
  "concurrency 14: P claims at once and is used when it is ready": {
    seen: seen({ wishes: [wish("1", 2)], ready: { "1": 1 } }),
    want: { provisioned: [share("1", "1", [2, 2, 0])] },
  },
  "concurrency 14: READY 2/2/2": { seen: seen({ wishes: [wish("1", 2)], ready: { "1": 2 } }), want: ready("1", 2) },
  "what was ready stays so when an environment is lost": {
    seen: seen({ wishes: [wish("1", 2)], granted: ready("1", 2), ready: {} }),
    want: ready("1", 2),
  },
  "more of it leaves what there is usable": {
    seen: seen({ wishes: [wish("1", 5)], granted: ready("1", 2), ready: { "1": 4 } }),
    want: { provisioned: [share("1", "1", [5, 5, 2])] },
  },
  "less of it is granted at once": {
    seen: seen({ wishes: [wish("1", 1)], granted: ready("1", 2) }),
    want: ready("1", 1),
  },
  "concurrency 19: P above R is refused": {
    seen: seen({ reserved: 2, granted: reserved(2), wishes: [wish("1", 3)] }),
    want: {
      ...reserved(2),
      refused: [
        {
          qualifier: "1",
          message:
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        },
      ],
    },
  },
  "concurrency 20: R below P is refused": {
    seen: seen({ reserved: 1, wishes: [wish("1", 2)], granted: ready("1", 2) }),
    want: ready("1", 2),
    refusal: " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].",
  },
  "R and P are lowered together": {
    seen: seen({ reserved: 1, wishes: [wish("1", 1)], granted: { ...reserved(2), ...ready("1", 2) } }),
    want: { ...reserved(1), ...ready("1", 1) },
  },
  "concurrency 17: R = P": {
    seen: seen({ reserved: 2, wishes: [wish("1", 2)], ready: { "1": 2 } }),
    want: { ...reserved(2), ...ready("1", 2) },
  },
  "P above what is unreserved": {
    seen: seen({ wishes: [wish("1", 300)], claimedByOthers: 750 }),
    want: {
      refused: [
        {
          qualifier: "1",
          message:
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [250].",
        },
      ],
    },
  },
  "P that leaves less than the minimum, beside one that is there": {
    seen: seen({ wishes: [wish("1", 100), wish("2", 101)], claimedByOthers: 700, granted: ready("1", 100) }),
    want: {
      ...ready("1", 100),
      refused: [
        {
          qualifier: "2",
          message:
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
        },
      ],
    },
  },
  "what is refused keeps what it had": {
    seen: seen({ wishes: [wish("1", 200)], claimedByOthers: 800, granted: ready("1", 50) }),
    want: {
      ...ready("1", 50),
      refused: [
        {
          qualifier: "1",
          message:
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].".replace(
              "[100]",
              "[100]",
            ),
        },
      ],
    },
  },
  "concurrency 21: an alias cannot provision a provisioned version": {
    seen: seen({ wishes: [wish("live", 1, { "1": 1 }), wish("1", 1)], granted: ready("1", 1) }),
    want: {
      ...ready("1", 1),
      refused: [
        {
          qualifier: "live",
          message: "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        },
      ],
    },
  },
  "concurrency 21: a version to which a provisioned alias leads": {
    seen: seen({
      wishes: [wish("1", 1), wish("live", 1, { "1": 1 })],
      granted: { provisioned: [share("live", "1", [1, 1, 1])] },
    }),
    want: {
      provisioned: [share("live", "1", [1, 1, 1])],
      refused: [{ qualifier: "1", message: "Version is pointed by a Provisioned Concurrency alias" }],
    },
  },
  "an alias keeps the version that it holds, also where another's weight is too small for an environment": {
    seen: seen({
      wishes: [wish("1", 1), wish("live", 1, { "1": 0.9, "2": 0.1 })],
      granted: { provisioned: [share("live", "1", [1, 1, 1])] },
    }),
    want: {
      provisioned: [share("live", "1", [1, 1, 1])],
      refused: [{ qualifier: "1", message: "Version is pointed by a Provisioned Concurrency alias" }],
    },
  },
  "two aliases of one version do not both take the same ready environments": {
    seen: seen({
      wishes: [wish("blue", 2, { "1": 1 }), wish("live", 2, { "1": 1 })],
      granted: { provisioned: [share("blue", "1", [2, 2, 0]), share("live", "1", [2, 2, 0])] },
      ready: { "1": 2 },
    }),
    want: { provisioned: [share("blue", "1", [2, 2, 2]), share("live", "1", [2, 2, 0])] },
  },
  "what another alias gives up is taken over in the same step": {
    seen: seen({
      wishes: [wish("blue", 2, { "2": 1 }), wish("live", 2, { "1": 1 })],
      granted: {
        provisioned: [share("blue", "1", [0, 2, 2]), share("blue", "2", [2, 0, 0]), share("live", "1", [2, 2, 0])],
      },
      ready: { "1": 2, "2": 2 },
    }),
    want: { provisioned: [share("blue", "2", [2, 2, 2]), share("live", "1", [2, 2, 2])] },
  },
  "concurrency 22: an alias that moves is claimed once, and keeps the old version's until the new one's are ready": {
    seen: seen({
      wishes: [wish("live", 2, { "2": 1 })],
      granted: { provisioned: [share("live", "1", [2, 2, 2])] },
      ready: { "1": 2, "2": 1 },
    }),
    want: { provisioned: [share("live", "1", [0, 2, 2]), share("live", "2", [2, 0, 0])] },
  },
  "concurrency 22: once they are ready, the old version's go": {
    seen: seen({
      wishes: [wish("live", 2, { "2": 1 })],
      granted: { provisioned: [share("live", "1", [0, 2, 2]), share("live", "2", [2, 0, 0])] },
      ready: { "1": 2, "2": 2 },
    }),
    want: { provisioned: [share("live", "2", [2, 2, 2])] },
  },
  "a weighted alias splits by weight": {
    seen: seen({ wishes: [wish("live", 5, { "1": 0.8, "2": 0.2 })], ready: { "1": 4, "2": 1 } }),
    want: { provisioned: [share("live", "1", [4, 4, 4]), share("live", "2", [1, 1, 1])] },
  },
  "an alias that leads nowhere yet wants nothing": { seen: seen({ wishes: [wish("live", 5, {})] }), want: {} },
  "concurrency 23: what fails claims nothing": {
    seen: seen({
      wishes: [wish("1", 2)],
      granted: { provisioned: [share("1", "1", [2, 2, 0])] },
      failures: { "1": failed },
    }),
    want: { provisioned: [{ ...share("1", "1", [2, 0, 0]), failure: failed }] },
  },
  "what has failed does so until it is asked for otherwise": {
    seen: seen({
      wishes: [wish("1", 2)],
      granted: { provisioned: [{ ...share("1", "1", [2, 0, 0]), failure: failed }] },
    }),
    want: { provisioned: [{ ...share("1", "1", [2, 0, 0]), failure: failed }] },
  },
  "what has failed and comes up is ready": {
    seen: seen({
      wishes: [wish("1", 2)],
      granted: { provisioned: [{ ...share("1", "1", [2, 0, 0]), failure: failed }] },
      ready: { "1": 2 },
    }),
    want: ready("1", 2),
  },
  "a configuration that is gone leaves nothing": {
    seen: seen({ granted: ready("1", 2), ready: { "1": 2 } }),
    want: {},
  },
};

describe("decideConcurrency", () => {
  for (const [name, { seen: input, want, refusal }] of Object.entries(cases)) {
    it(name, () => {
      const { granted, reservedRefusal } = decideConcurrency(input);
      assert.deepEqual(granted, want);
      assert.equal(reservedRefusal, refusal);
    });
  }

  it("never grants more than leaves the minimum, nor more P than R, and is at rest when nothing changes", () => {
    const steps = fc.array(
      fc.record({
        reserved: fc.option(fc.nat(12), { nil: undefined }),
        one: fc.nat(8),
        live: fc.nat(8),
        blue: fc.nat(4),
        weight: fc.constantFrom(0, 0.3, 1),
        others: fc.nat(10),
        ready: fc.record({ "1": fc.nat(12), "2": fc.nat(12) }),
        fails: fc.boolean(),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const rules = { limit: 20, unreservedMinimum: 3 };
        let granted: GrantedConcurrency | undefined;
        for (const { reserved: wanted, one, live, blue, weight, others, ready: there, fails } of all) {
          const shares = weight === 0 ? { "2": 1 } : weight === 1 ? { "1": 1 } : { "1": weight, "2": 1 - weight };
          const wishes = [
            ...(one > 0 ? [wish("1", one)] : []),
            ...(live > 0 ? [wish("live", live, shares)] : []),
            ...(blue > 0 ? [wish("blue", blue, { "2": 1 })] : []),
          ];
          const failures: Record<string, string> = fails ? { "1": failed } : {};
          const input = seen({
            reserved: wanted,
            wishes,
            granted,
            claimedByOthers: others,
            rules,
            ready: there,
            failures,
          });
          const before = claimedBy(granted);
          granted = decideConcurrency(input).granted;
          const { reservedConcurrentExecutions, provisioned = [] } = granted;
          const claimed = claimedBy(granted);
          assert.ok(claimed <= before || others + claimed <= rules.limit - minimumOf(rules));
          const sum = provisioned.reduce((total, { allocated }) => total + allocated, 0);
          assert.ok(reservedConcurrentExecutions === undefined || sum <= reservedConcurrentExecutions);
          for (const { allocated, available } of provisioned) assert.ok(available <= allocated);
          assert.ok(isUsedOnce(input, provisioned));
          // What one configuration gives up is another's in the step after that.
          let rested: GrantedConcurrency = granted;
          for (let at = 0; at < wishes.length; at += 1)
            rested = decideConcurrency({ ...input, granted: rested }).granted;
          assert.deepEqual(decideConcurrency({ ...input, granted: rested }).granted, rested);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("waits for what is refused, and not for what has failed", () => {
    const wishes = [wish("1", 800)];
    const failing = seen({ wishes, failures: { "1": failed } });
    const provisioned = [share("1", "1", [800, 800, 0])];
    assert.equal(decideConcurrency({ ...failing, granted: { provisioned } }).wantedClaim, 0);
    assert.equal(decideConcurrency(seen({ wishes, granted: { provisioned } })).wantedClaim, 800);
    assert.equal(decideConcurrency(seen({ wishes, claimedByOthers: 500 })).wantedClaim, 800);
  });

  it("an account that is not larger than the minimum keeps a tenth", () => {
    assert.equal(minimumOf({ limit: 1000, unreservedMinimum: 100 }), 100);
    assert.equal(minimumOf({ limit: 50, unreservedMinimum: 100 }), 5);
    assert.equal(minimumOf({ limit: 1, unreservedMinimum: 100 }), 1);
  });
});
