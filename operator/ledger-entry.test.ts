import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { giveNumber, type LedgerData, type NumberClaim } from "./ledger-entry.ts";

const entry = "function.f";

function claim(number: number, changes: Partial<NumberClaim> = {}): NumberClaim {
  return { number, holder: "uid", identity: "code", isUnused: false, ...changes };
}

function applied(data: LedgerData, changes: Readonly<Record<string, string | null>>): LedgerData {
  const all = Object.entries({ ...data, ...changes }).filter((pair): pair is [string, string] => pair[1] !== null);
  return Object.fromEntries(all);
}

describe("giveNumber", () => {
  it("notes who claimed a number for what, and which were left out", () => {
    const given = giveNumber({ [entry]: "2" }, { entry, floor: 0, claim: claim(6) });
    const want = { [entry]: "6", [`${entry}.gaps`]: "3-5", [`${entry}.6`]: "uid/code" };
    assert.deepEqual(given, { number: 6, changes: want });
  });

  const cases: Record<string, { data: LedgerData; claim: NumberClaim; floor?: number; want: number | undefined }> = {
    "the next": { data: { [entry]: "2" }, claim: claim(3), want: 3 },
    "one that was left out": { data: { [entry]: "6", [`${entry}.gaps`]: "3-5" }, claim: claim(4), want: 4 },
    "none that was given by counting": { data: { [entry]: "6" }, claim: claim(4), want: undefined },
    "none that is below what is known to be given": { data: {}, claim: claim(4), floor: 5, want: undefined },
    "none that another claimed": {
      data: { [entry]: "6", [`${entry}.4`]: "other/code2" },
      claim: claim(4),
      want: undefined,
    },
    "none that it claimed and used itself": {
      data: { [entry]: "6", [`${entry}.4`]: "uid/code2" },
      claim: claim(4),
      want: undefined,
    },
    "one that it claimed and lost": {
      data: { [entry]: "6", [`${entry}.4`]: "uid/code2" },
      claim: claim(4, { isUnused: true }),
      want: 4,
    },
    "one that was counted to for the very same": {
      data: { [entry]: "6", [`${entry}.counted`]: "4/code" },
      claim: claim(4),
      want: 4,
    },
    "none that was counted to for other code": {
      data: { [entry]: "6", [`${entry}.counted`]: "4/code2" },
      claim: claim(4),
      want: undefined,
    },
    "none but the one that was counted to for the very same": {
      data: { [entry]: "6", [`${entry}.counted`]: "5/code" },
      claim: claim(4),
      want: undefined,
    },
    "one that another claimed for the very same": {
      data: { [entry]: "6", [`${entry}.4`]: "other/code" },
      claim: claim(4),
      want: 4,
    },
  };
  for (const [title, { data, claim: wanted, floor = 0, want }] of Object.entries(cases)) {
    it(`gives a claim ${title}`, () => {
      assert.equal(giveNumber(data, { entry, floor, claim: wanted })?.number, want);
    });
  }

  describe("counting", () => {
    it("notes for what it counted where a claim may come later", () => {
      const given = giveNumber({ [entry]: "2" }, { entry, floor: 0, holder: "uid", identity: "code" });
      const want = { [entry]: "3", [`${entry}.holder`]: "uid", [`${entry}.counted`]: "3/code" };
      assert.deepEqual(given, { number: 3, changes: want });
      const again = giveNumber(applied({}, want), { entry, floor: 2, holder: "uid", identity: "code2" });
      assert.deepEqual(again, { number: 3, changes: { [`${entry}.counted`]: "3/code2" } });
    });

    const counted = { [entry]: "4", [`${entry}.holder`]: "uid" };
    const wishes: Record<string, { holder: string | undefined; floor: number; want: object }> = {
      "gives the holder its number again while that is not used": {
        ...{ holder: "uid", floor: 3 },
        want: { number: 4, changes: {} },
      },
      "gives the holder another when that is used": {
        ...{ holder: "uid", floor: 4 },
        want: { number: 5, changes: { [entry]: "5", [`${entry}.holder`]: "uid" } },
      },
      "gives others another": {
        ...{ holder: "other", floor: 3 },
        want: { number: 5, changes: { [entry]: "5", [`${entry}.holder`]: "other" } },
      },
      "forgets the holder with a number that nobody holds": {
        ...{ holder: undefined, floor: 3 },
        want: { number: 5, changes: { [entry]: "5", [`${entry}.holder`]: null } },
      },
    };
    for (const [title, { want, ...wanted }] of Object.entries(wishes)) {
      it(title, () => {
        assert.deepEqual(giveNumber(counted, { entry, ...wanted }), want);
      });
    }

    it("gives nobody what was claimed since", () => {
      const claimed = applied(counted, giveNumber(counted, { entry, floor: 4, claim: claim(7) })?.changes ?? {});
      assert.equal(giveNumber(claimed, { entry, floor: 4, holder: "uid" })?.number, 8);
    });
  });

  it("says what is wrong with gaps that are none", () => {
    const data = { [entry]: "6", [`${entry}.gaps`]: "x" };
    const text = /^Error: entry "function\.f\.gaps" of ConfigMap "kubelambda-ledger" is "x"; right is/;
    assert.throws(() => giveNumber(data, { entry, floor: 0, claim: claim(4) }), text);
  });

  it("gives no number to two, whoever counts and claims in whatever order", () => {
    const wish = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 20 }), (wishes) => {
        let data: LedgerData = {};
        const given: number[] = [];
        for (const [index, number] of wishes.entries()) {
          const wanted =
            number === undefined ? undefined : claim(number, { holder: `u${index}`, identity: `i${index}` });
          const answer = giveNumber(data, { entry, floor: 0, claim: wanted });
          assert.equal(answer === undefined, number !== undefined && given.includes(number));
          if (answer === undefined) continue;
          assert.equal(answer.number, number ?? Math.max(0, ...given) + 1);
          given.push(answer.number);
          data = applied(data, answer.changes);
        }
        assert.equal(new Set(given).size, given.length);
      }),
    );
  });
});
