import assert from "node:assert/strict";
import type { PlatformRecords } from "./platform-event.ts";
import { jsonLine, systemLogLevel, textLine, type SystemLogLevel } from "./platform-lines.ts";
import type { PlatformEvent } from "./telemetry-event.ts";

const time = "2026-01-02T03:04:05.678Z";

function event<T extends PlatformEvent["type"]>(type: T, record: PlatformRecords[T]): PlatformEvent {
  return { time, type, record } as PlatformEvent;
}

const metrics = { durationMs: 133.61, billedDurationMs: 134, memorySizeMB: 128, maxMemoryUsedMB: 38 };
const report = { requestId: "r", status: "success", metrics } as const;
const reportHead =
  "REPORT RequestId: r\tDuration: 133.61 ms\tBilled Duration: 134 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\t";
const initStart = {
  initializationType: "on-demand",
  phase: "init",
  functionName: "f",
  functionVersion: "$LATEST",
} as const;
const initReport = { initializationType: "on-demand", phase: "init", metrics: { durationMs: 9.5 } } as const;
const tracing = { type: "X-Amzn-Trace-Id", value: "Root=1-5-a; Parent=0123456789abcdef;Sampled=1" } as const;

const lines: Record<string, { event: PlatformEvent; want: string | undefined }> = {
  "INIT_START names the runtime's version": {
    event: event("platform.initStart", { ...initStart, runtimeVersion: "nodejs:24.v1", runtimeVersionArn: "arn:x" }),
    want: "INIT_START Runtime Version: nodejs:24.v1\tRuntime Version ARN: arn:x\n",
  },
  "INIT_START does without an ARN": {
    event: event("platform.initStart", { ...initStart, runtimeVersion: "nodejs24.x" }),
    want: "INIT_START Runtime Version: nodejs24.x\n",
  },
  "no INIT_START without a version": { event: event("platform.initStart", initStart), want: undefined },
  "telemetry-api 32: START names the version": {
    event: event("platform.start", { requestId: "r", version: "$LATEST" }),
    want: "START RequestId: r Version: $LATEST\n",
  },
  "telemetry-api 32: END comes of runtimeDone": {
    event: event("platform.runtimeDone", { requestId: "r", status: "timeout" }),
    want: "END RequestId: r\n",
  },
  "telemetry-api 32: a warm success ends with a tab": {
    event: event("platform.report", report),
    want: `${reportHead}\n`,
  },
  "telemetry-api 33: a cold start has Init Duration last": {
    event: event("platform.report", { ...report, metrics: { ...metrics, initDurationMs: 80 } }),
    want: `${reportHead}Init Duration: 80.00 ms\t\n`,
  },
  "telemetry-api 33: a timeout has its status last": {
    event: event("platform.report", { ...report, status: "timeout", metrics: { ...metrics, initDurationMs: 80 } }),
    want: `${reportHead}Init Duration: 80.00 ms\tStatus: timeout\n`,
  },
  "a failure has its type": {
    event: event("platform.report", { ...report, status: "error", errorType: "Runtime.ExitError" }),
    want: `${reportHead}Status: error\tError Type: Runtime.ExitError\n`,
  },
  "a sampled trace follows REPORT": {
    event: event("platform.report", { ...report, tracing }),
    want: `${reportHead}\nXRAY TraceId: 1-5-a\tSegmentId: 0123456789abcdef\tSampled: true\t\n`,
  },
  "a trace that is not sampled does not": {
    event: event("platform.report", { ...report, tracing: { ...tracing, value: "Root=1-5-a;Parent=1;Sampled=0" } }),
    want: `${reportHead}\n`,
  },
  "INIT_REPORT of a timeout": {
    event: event("platform.initReport", { ...initReport, status: "timeout" }),
    want: "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\tStatus: timeout\n",
  },
  "INIT_REPORT of a failure within a call": {
    event: event("platform.initReport", {
      ...initReport,
      phase: "invoke",
      status: "error",
      errorType: "Extension.Crash",
    }),
    want: "INIT_REPORT Init Duration: 9.50 ms\tPhase: invoke\tStatus: error\tError Type: Extension.Crash\n",
  },
  "no INIT_REPORT of a success on demand": {
    event: event("platform.initReport", { ...initReport, status: "success" }),
    want: undefined,
  },
  "INIT_REPORT of provisioned concurrency always": {
    event: event("platform.initReport", {
      ...initReport,
      initializationType: "provisioned-concurrency",
      status: "success",
    }),
    want: "INIT_REPORT Init Duration: 9.50 ms\tPhase: init\n",
  },
  "telemetry-api 35: EXTENSION": {
    event: event("platform.extension", { name: "x", state: "Ready", events: ["INVOKE", "SHUTDOWN"] }),
    want: "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
  },
  "EXTENSION of one that could not start": {
    event: event("platform.extension", {
      name: "x",
      state: "LaunchError",
      events: [],
      errorType: "PermissionDenied",
    }),
    want: "EXTENSION\tName: x\tState: LaunchError\tEvents: []\tError Type: PermissionDenied\n",
  },
  "a name makes no lines of its own": {
    event: event("platform.extension", { name: "x\nEND\tRequestId: r", state: "Ready", events: [] }),
    want: "EXTENSION\tName: x END RequestId: r\tState: Ready\tEvents: []\n",
  },
  TELEMETRY: {
    event: event("platform.telemetrySubscription", {
      name: "x",
      state: "Subscribed",
      types: ["platform", "function", "extension"],
    }),
    want: "TELEMETRY\tName: x\tState: Subscribed\tTypes: [Platform, Function, Extension]\n",
  },
  LOGS: {
    event: event("platform.logsSubscription", { name: "x", state: "Subscribed", types: ["platform"] }),
    want: "LOGS\tName: x\tState: Subscribed\tTypes: [Platform]\n",
  },
  "nothing for platform.end, which END told": { event: event("platform.end", { requestId: "r" }), want: undefined },
  "nothing for platform.fault, which REPORT tells": { event: event("platform.fault", "x"), want: undefined },
};

const failed = { status: "error", errorType: "Runtime.ExitError" } as const;
const levels: Record<string, { event: PlatformEvent; want: SystemLogLevel }> = {
  "an initStart with a version": {
    event: event("platform.initStart", { ...initStart, runtimeVersion: "x" }),
    want: "INFO",
  },
  "an initStart without": { event: event("platform.initStart", initStart), want: "DEBUG" },
  "an init's runtimeDone": {
    event: event("platform.initRuntimeDone", { initializationType: "on-demand", phase: "init", status: "success" }),
    want: "DEBUG",
  },
  "an init's failed runtimeDone": {
    event: event("platform.initRuntimeDone", { initializationType: "on-demand", phase: "init", ...failed }),
    want: "WARN",
  },
  "an initReport on demand": {
    event: event("platform.initReport", { ...initReport, status: "success" }),
    want: "DEBUG",
  },
  "an initReport of a failure": { event: event("platform.initReport", { ...initReport, ...failed }), want: "WARN" },
  "a provisioned initReport": {
    event: event("platform.initReport", { ...initReport, initializationType: "snap-start", status: "success" }),
    want: "INFO",
  },
  "a start": { event: event("platform.start", { requestId: "r" }), want: "INFO" },
  "a runtimeDone": { event: event("platform.runtimeDone", { requestId: "r", status: "success" }), want: "DEBUG" },
  "a failed runtimeDone": { event: event("platform.runtimeDone", { requestId: "r", ...failed }), want: "WARN" },
  "a report": { event: event("platform.report", report), want: "INFO" },
  "a report of a failure": { event: event("platform.report", { ...report, ...failed }), want: "WARN" },
  "an extension": { event: event("platform.extension", { name: "x", state: "Ready", events: [] }), want: "INFO" },
  "an extension that failed": {
    event: event("platform.extension", { name: "x", state: "LaunchError", events: [], errorType: "UnknownError" }),
    want: "WARN",
  },
  "a subscription": {
    event: event("platform.telemetrySubscription", { name: "x", state: "Subscribed", types: ["platform"] }),
    want: "INFO",
  },
  "a loss": {
    event: event("platform.logsDropped", { reason: "x", droppedRecords: 1, droppedBytes: 1 }),
    want: "WARN",
  },
};

describe("textLine", () => {
  for (const [title, { event, want }] of Object.entries(lines)) {
    it(title, () => assert.equal(textLine(event), want));
  }
});

describe("jsonLine", () => {
  const order: readonly SystemLogLevel[] = ["DEBUG", "INFO", "WARN"];
  for (const [title, { event, want }] of Object.entries(levels)) {
    it(`${title} has level ${want}`, () => {
      const shown = order.filter((level) => jsonLine(event, level) !== undefined);
      assert.deepEqual(shown, order.slice(0, order.indexOf(want) + 1));
    });
  }

  it("is the event itself", () => {
    const text = jsonLine(event("platform.start", { requestId: "r", version: "3" }), "INFO");
    assert.equal(text, `{"time":"${time}","type":"platform.start","record":{"requestId":"r","version":"3"}}\n`);
  });

  it("has nothing of the Logs API", () => {
    assert.equal(jsonLine(event("platform.end", { requestId: "r" }), "DEBUG"), undefined);
    assert.equal(jsonLine(event("platform.fault", "x"), "DEBUG"), undefined);
  });

  it("a level that is not set or not known is INFO", () => {
    assert.deepEqual([undefined, "TRACE", "WARN"].map(systemLogLevel), ["INFO", "INFO", "WARN"]);
  });
});
