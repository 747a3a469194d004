import assert from "node:assert/strict";
import { reportMetrics, type MeasuredInvocation } from "./report-metrics.ts";

const measured: MeasuredInvocation = { durationMs: 133.61, memorySizeMB: 128, maxMemoryUsedBytes: 37.2 * 1024 * 1024 };

const cases: Record<string, { measured: MeasuredInvocation; want: object }> = {
  "a warm call is billed for its duration": {
    measured,
    want: { durationMs: 133.61, billedDurationMs: 134, memorySizeMB: 128, maxMemoryUsedMB: 38 },
  },
  "lifecycle 30: a cold start bills both, rounded once": {
    measured: { ...measured, initDurationMs: 80 },
    want: { durationMs: 133.61, billedDurationMs: 214, memorySizeMB: 128, maxMemoryUsedMB: 38, initDurationMs: 80 },
  },
  "a whole millisecond is not rounded up": {
    measured: { ...measured, durationMs: 2.999_999_9 },
    want: { durationMs: 3, billedDurationMs: 3, memorySizeMB: 128, maxMemoryUsedMB: 38 },
  },
};

describe("reportMetrics", () => {
  for (const [title, { measured, want }] of Object.entries(cases)) {
    it(title, () => assert.deepEqual(reportMetrics(measured), want));
  }
});
