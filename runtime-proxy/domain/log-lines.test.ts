import assert from "node:assert/strict";
import { jsonLogLines, textLogLines, type InvocationReport } from "./log-lines.ts";

const report: InvocationReport = {
  requestId: "r",
  durationMs: 133.61,
  memorySizeMB: 128,
  maxMemoryUsedBytes: 37.2 * 1024 * 1024,
  outcome: { status: "success" },
};
const head = "END RequestId: r\nREPORT RequestId: r\tDuration: 133.61 ms\t";

const ends: Record<string, { report: InvocationReport; want: string }> = {
  "a warm success ends with a tab": {
    report,
    want: `${head}Billed Duration: 134 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\t\n`,
  },
  "lifecycle 30: a cold start bills both, rounded once": {
    report: { ...report, initDurationMs: 80 },
    want: `${head}Billed Duration: 214 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\tInit Duration: 80.00 ms\t\n`,
  },
  "a timeout says so last": {
    report: { ...report, outcome: { status: "timeout" } },
    want: `${head}Billed Duration: 134 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\tStatus: timeout\n`,
  },
  "a failure has its type": {
    report: { ...report, outcome: { status: "error", errorType: "Runtime.ExitError" } },
    want: `${head}Billed Duration: 134 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\tStatus: error\tError Type: Runtime.ExitError\n`,
  },
};

describe("textLogLines", () => {
  for (const [title, { report, want }] of Object.entries(ends)) {
    it(title, () => assert.equal(textLogLines.end(report, 0), want));
  }

  it("START names the version", () => {
    assert.equal(textLogLines.start("r", "$LATEST", 0), "START RequestId: r Version: $LATEST\n");
  });

  it("INIT_REPORT tells phase and status", () => {
    const init = {
      durationMs: 9.5,
      phase: "init",
      initializationType: "on-demand",
      outcome: { status: "timeout" },
    } as const;
    assert.equal(
      textLogLines.initReport(init, 0),
      "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\tStatus: timeout\n",
    );
  });
});

describe("jsonLogLines", () => {
  it("are telemetry events, integers where they must be", () => {
    const [done, told, rest] = jsonLogLines.end({ ...report, initDurationMs: 80 }, 0).split("\n");
    assert.equal(rest, "");
    assert.deepEqual(JSON.parse(done!), {
      time: "1970-01-01T00:00:00.000Z",
      type: "platform.runtimeDone",
      record: { requestId: "r", status: "success", metrics: { durationMs: 133.61 } },
    });
    assert.deepEqual((JSON.parse(told!) as { record: unknown }).record, {
      requestId: "r",
      status: "success",
      metrics: {
        durationMs: 133.61,
        billedDurationMs: 214,
        memorySizeMB: 128,
        maxMemoryUsedMB: 38,
        initDurationMs: 80,
      },
    });
  });
});
