import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { decideRoster, silentAfterMs, unheardAfterMs, type RouterKnown } from "./decide.ts";

function router(podUid: string, more: Partial<RouterKnown> = {}): RouterKnown {
  return { podUid, address: `${podUid}:1`, isReady: true, silentForMs: 100, readyForMs: 60_000, ...more };
}

const cases: Record<string, { routers: readonly RouterKnown[]; want: readonly string[] | undefined }> = {
  "names those that are ready": {
    routers: [router("b"), router("a"), router("c", { isReady: false })],
    want: ["a", "b"],
  },
  "leaves out one that has fallen silent": {
    routers: [router("a"), router("b", { silentForMs: silentAfterMs + 1 })],
    want: ["a"],
  },
  "gives one that has never reported some time": {
    routers: [router("a"), router("b", { silentForMs: undefined, readyForMs: unheardAfterMs })],
    want: ["a", "b"],
  },
  "leaves out one that has never reported: nobody hears what its accounts need": {
    routers: [router("a"), router("b", { silentForMs: undefined, readyForMs: unheardAfterMs + 1 })],
    want: ["a"],
  },
  "believes kubelets where it hears nobody": {
    routers: ["a", "b"].map((uid) => router(uid, { silentForMs: undefined, readyForMs: unheardAfterMs + 1 })),
    want: ["a", "b"],
  },
  "keeps what there is when none is ready": { routers: [router("a", { isReady: false })], want: undefined },
};

describe("decideRoster", () => {
  for (const [title, { routers, want }] of Object.entries(cases)) {
    it(title, () => {
      const replicas = decideRoster(routers, undefined);
      assert.deepEqual(
        replicas?.map(({ podUid }) => podUid),
        want,
      );
    });
  }

  it("leaves one as it is that is right", () => {
    const replicas = decideRoster([router("a")], undefined) ?? [];
    assert.equal(decideRoster([router("a")], { epoch: 1, previous: 0, replicas }), undefined);
  });
});
