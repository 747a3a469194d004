import assert from "node:assert/strict";
import type { Health } from "../controllers/function/conditions.ts";
import type { EnvironmentState } from "./environment-state.ts";
import { decideHealth, type HealthSeen } from "./health.ts";

const quota = { reason: "QuotaExceeded", message: "Cannot create an environment: exceeded quota" };

function environment(changes: Partial<EnvironmentState> = {}): EnvironmentState {
  const base = { uid: "a", name: "a", revisionID: "r", createdAtMs: 0, hasRun: true, isSlowToMend: false };
  return { ...base, phase: "running", ...changes };
}

function seen(changes: Partial<HealthSeen> = {}): HealthSeen {
  const nothing = { failures: undefined, reported: undefined };
  return { revisionID: "r", environments: [environment()], ...nothing, nowMs: 100_000, ...changes };
}

function failedAt(lastAtMs: number): HealthSeen["failures"] {
  const times = { lastAtMs, failureAtMs: lastAtMs };
  return {
    revisionID: "r",
    count: 1,
    countByReason: { [quota.reason]: 1 },
    isSlowToMend: true,
    failure: quota,
    ...times,
  };
}

const cases: Record<string, { seen: HealthSeen; want: Health["ok"] | string | undefined }> = {
  "is well with an environment that runs": { seen: seen(), want: true },
  "is not known without any": { seen: seen({ environments: [] }), want: undefined },
  "is at its limit where calls need more than there may be, though all run": {
    seen: seen({ most: 1 }),
    want: "EnvironmentLimitReached",
  },
  "is what keeps environments from coming up before it is that there may be no more": {
    seen: seen({ most: 2, failures: failedAt(99_000) }),
    want: "QuotaExceeded",
  },
  "is at its limit once that is overcome": {
    seen: seen({ most: 2, failures: failedAt(1000) }),
    want: "EnvironmentLimitReached",
  },
  "is the failed init that a caller saw before all": {
    seen: seen({ most: 1, reported: { podUid: "a", errorType: "Error", errorMessage: "boom" } }),
    want: "InitError",
  },
};

describe("decideHealth", () => {
  for (const [title, { seen: input, want }] of Object.entries(cases)) {
    it(title, () => {
      const health = decideHealth(input);
      assert.equal(health?.ok === false ? health.reason : health?.ok, want);
    });
  }

  it("says how many there may be, where that is set, and what else helps", () => {
    const health = decideHealth(seen({ most: 7 }));
    assert.ok(health?.ok === false);
    assert.match(health.message, /7 environments.*environments\.maxPerFunction.*reservedConcurrentExecutions/);
  });
});
