import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { addFailure, remainingBackOffMs, type StartFailures } from "./start-failures.ts";

const failure = { reason: "ImagePullFailed", message: "no such image" };

/** Failures a second apart. */
function failed(times: number, isSlowToMend: boolean): StartFailures | undefined {
  return Array.from({ length: times }).reduce<StartFailures | undefined>(
    (all, _, i) => addFailure(all, { revisionID: "r", failure, isSlowToMend }, i * 1000),
    undefined,
  );
}

describe("StartFailures", () => {
  const cases: Record<string, { times: number; isSlowToMend: boolean; wantMs: number }> = {
    "does not wait before the first": { times: 0, isSlowToMend: true, wantMs: 0 },
    "waits a second after an image that cannot be pulled": { times: 1, isSlowToMend: true, wantMs: 1000 },
    "doubles the wait": { times: 4, isSlowToMend: true, wantMs: 8000 },
    "waits five minutes at most": { times: 30, isSlowToMend: true, wantMs: 300_000 },
    "replaces what crashed at once": { times: 1, isSlowToMend: false, wantMs: 0 },
    "waits a moment when it crashes again": { times: 2, isSlowToMend: false, wantMs: 250 },
    "waits ten seconds at most for what crashes": { times: 30, isSlowToMend: false, wantMs: 10_000 },
  };
  for (const [sentence, { times, isSlowToMend, wantMs }] of Object.entries(cases)) {
    it(sentence, () => assert.equal(remainingBackOffMs(failed(times, isSlowToMend), "r", (times - 1) * 1000), wantMs));
  }

  it("counts a burst that fails together once", () => {
    const first = addFailure(undefined, { revisionID: "r", failure, isSlowToMend: true }, 0);
    assert.equal(addFailure(first, { revisionID: "r", failure, isSlowToMend: true }, 499).count, 1);
  });

  it("counts each reason by itself, too", () => {
    const of = (reason: string) => ({ revisionID: "r", failure: { reason, message: "m" }, isSlowToMend: true });
    const at = ["QuotaExceeded", "QuotaExceeded", "QuotaExceeded", "InitFailed", "QuotaExceeded"];
    const all = at.reduce<StartFailures | undefined>(
      (known, reason, i) => addFailure(known, of(reason), i * 1000),
      undefined,
    );
    assert.equal(all?.count, 5);
    assert.deepEqual(all.countByReason, { QuotaExceeded: 4, InitFailed: 1 });
    assert.deepEqual(addFailure(all, of("InitFailed"), 4100).countByReason, { QuotaExceeded: 4, InitFailed: 1 });
  });

  it("forgets what another revision did", () => {
    const former = failed(9, true);
    assert.equal(remainingBackOffMs(former, "other", 8000), 0);
    assert.equal(addFailure(former, { revisionID: "other", failure, isSlowToMend: true }, 9000).count, 1);
  });

  it("keeps the text of a reason for a while, so that a condition does not change with every try", () => {
    const first = addFailure(undefined, { revisionID: "r", failure, isSlowToMend: true }, 0);
    const other = { ...failure, message: "another id" };
    const soon = addFailure(first, { revisionID: "r", failure: other, isSlowToMend: true }, 59_999);
    assert.equal(soon.failure.message, "no such image");
    assert.equal(
      addFailure(soon, { revisionID: "r", failure: other, isSlowToMend: true }, 60_000).failure.message,
      "another id",
    );
  });

  it("never waits less for more failures, nor longer than five minutes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.boolean(), (times, isSlowToMend) => {
        const now = remainingBackOffMs(failed(times, isSlowToMend), "r", (times - 1) * 1000);
        const next = remainingBackOffMs(failed(times + 1, isSlowToMend), "r", times * 1000);
        assert.ok(now <= next && next <= 300_000);
      }),
    );
  });
});
