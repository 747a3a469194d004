import assert from "node:assert/strict";
import type { Roster } from "../../../crds/wire/roster.ts";
import { isNewer, isNewsFromPeer } from "./tenure.ts";

function rosterOf(epoch: number): Roster {
  return { epoch, previous: epoch - 1, replicas: [{ podUid: "a", address: "a:1" }] };
}

describe("a roster", () => {
  it("is news when it is newer than the one that is known", () => {
    for (const isNews of [isNewer, isNewsFromPeer])
      assert.deepEqual(
        [4, 5, 6].map((epoch) => isNews(rosterOf(epoch), rosterOf(5))),
        [false, false, true],
      );
  });

  it("is taken from another replica only by one that has read a roster itself", () => {
    assert.deepEqual([isNewer(rosterOf(5), undefined), isNewsFromPeer(rosterOf(5), undefined)], [true, false]);
  });
});
