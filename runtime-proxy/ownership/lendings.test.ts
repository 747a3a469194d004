import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { Lendings, type Lending } from "./lendings.ts";

interface Lent extends Lending {
  isRecalled: boolean;
  readonly answer: () => void;
}

let lastNumber = 0;

function lent(functionUid: string): Lent {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const lending: Lent = {
    number: (lastNumber += 1),
    functionUid,
    isRecalled: false,
    recall: async () => {
      lending.isRecalled = true;
      await promise;
    },
    answer: () => resolve(undefined),
  };
  return lending;
}

const ofFunction = (functionUid: string) => ({ functionUid, isOfAccount: false });

describe("what an account has lent", () => {
  let clock: ManualClock;
  let lendings: Lendings;

  beforeEach(() => {
    clock = new ManualClock();
    lendings = new Lendings(clock);
  });

  async function isSettled(wanting: Promise<void> | undefined): Promise<boolean> {
    let settled = false;
    void wanting?.then(() => (settled = true));
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
    return settled;
  }

  it("is called back for a call that wants it, which goes on when all have answered", async () => {
    const [one, other, another] = [lent("f"), lent("f"), lent("g")];
    for (const lending of [one, other, another]) lendings.add(lending);
    const wanting = lendings.want(ofFunction("f"));
    assert.deepEqual([one.isRecalled, other.isRecalled, another.isRecalled], [true, true, false]);
    one.answer();
    assert.equal(await isSettled(wanting), false);
    other.answer();
    assert.equal(await isSettled(wanting), true);
  });

  it("is called back of all functions where the account's limit is reached", () => {
    const [one, other] = [lent("f"), lent("g")];
    for (const lending of [one, other]) lendings.add(lending);
    assert.notEqual(lendings.want({ functionUid: "h", isOfAccount: true }), undefined);
    assert.deepEqual([one.isRecalled, other.isRecalled], [true, true]);
  });

  it("is waited for a second, and no longer", async () => {
    lendings.add(lent("f"));
    const wanting = lendings.want(ofFunction("f"));
    clock.advance(999);
    assert.equal(await isSettled(wanting), false);
    clock.advance(1);
    assert.equal(await isSettled(wanting), true);
    // What gives no answer counts as in use until it ends.
    assert.equal(lendings.want(ofFunction("f")), undefined);
  });

  it("is nothing to wait for when it has ended, or is known to run", () => {
    const one = lent("f");
    lendings.add(one);
    lendings.remove(one);
    lendings.remove(one);
    assert.equal(lendings.want(ofFunction("f")), undefined);
  });

  it("is not made more where somebody wanted it, for a moment", () => {
    assert.equal(lendings.mayLend("f"), true);
    assert.equal(lendings.want(ofFunction("f")), undefined);
    assert.deepEqual([lendings.mayLend("f"), lendings.mayLend("g")], [false, true]);
    clock.advance(100);
    assert.equal(lendings.mayLend("f"), true);
    assert.equal(lendings.want({ functionUid: "f", isOfAccount: true }), undefined);
    assert.deepEqual([lendings.mayLend("f"), lendings.mayLend("g")], [false, false]);
  });

  it("is called back of a function that is gone", () => {
    const one = lent("f");
    lendings.add(one);
    lendings.forget("f");
    assert.equal(one.isRecalled, true);
    lendings.remove(one);
    assert.equal(lendings.isOut("f"), false);
  });
});
