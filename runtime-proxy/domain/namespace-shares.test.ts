import assert from "node:assert/strict";
import { NamespaceShares } from "./namespace-shares.ts";

describe("a map whose room namespaces share", () => {
  let looks: number;
  let shares: NamespaceShares<{ readonly untilMs: number }>;
  beforeEach(() => {
    looks = 0;
    const isOld = ({ untilMs }: { readonly untilMs: number }, nowMs: number): boolean => {
      looks += 1;
      return untilMs <= nowMs;
    };
    shares = new NamespaceShares({ most: 100, isOld });
  });

  function add(namespace: string, count: number, { nowMs = 0, untilMs = Infinity } = {}): number {
    let added = 0;
    for (let n = 0; n < count; n += 1)
      if (shares.add(`${namespace}/${nowMs}/${n}`, { namespace, nowMs }, () => ({ untilMs })) !== undefined) added += 1;
    return added;
  }

  it("one that is alone has half of it, and others find room whatever it does", () => {
    assert.equal(add("loud", 1000), 50);
    assert.equal(add("quiet", 10), 10);
    assert.equal(add("late", 1000), 20);
    assert.equal(add("last", 1), 1);
  });

  it("those that come at the same time have the same", () => {
    let [left, right] = [0, 0];
    for (let n = 0; n < 1000; n += 1) {
      left += add("left", 1, { nowMs: n / 1000 });
      right += add("right", 1, { nowMs: n / 1000 });
    }
    assert.deepEqual([left, right], [34, 33]);
  });

  it("is never fuller than its bound", () => {
    for (let n = 0; n < 300; n += 1) add(`tenant-${n}`, 10);
    assert.equal([...shares.values()].length, 100);
  });

  it("is looked through for old ones once a minute, however many find no room", () => {
    add("loud", 50, { untilMs: 1 });
    looks = 0;
    add("loud", 1000);
    assert.equal(looks, 50);
    assert.equal(add("loud", 1000, { nowMs: 59_999 }), 0);
    assert.equal(looks, 50);
    assert.equal(add("loud", 1000, { nowMs: 60_000 }), 50);
    assert.equal(looks, 150 - 50);
  });

  it("a namespace whose entries are gone has its whole share again", () => {
    add("loud", 50, { untilMs: 5 });
    shares.forgetOld(10);
    assert.equal([...shares.values()].length, 0);
    assert.equal(add("loud", 1000, { nowMs: 10 }), 50);
  });
});
