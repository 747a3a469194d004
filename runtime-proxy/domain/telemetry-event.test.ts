import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeEvent, type PlatformEvent, type TelemetryEvent } from "./telemetry-event.ts";
import type { TelemetrySchema } from "./telemetry-subscription.ts";

const time = "2026-01-02T03:04:05.678Z";
const line = (record: string): TelemetryEvent => ({ time, type: "function", record });
const tracing = { type: "X-Amzn-Trace-Id", value: "Root=1-2-3;Parent=4;Sampled=1" } as const;

const all: Record<PlatformEvent["type"], PlatformEvent> = {
  "platform.initStart": {
    time,
    type: "platform.initStart",
    record: { initializationType: "on-demand", phase: "init", functionName: "f", functionVersion: "$LATEST" },
  },
  "platform.initRuntimeDone": {
    time,
    type: "platform.initRuntimeDone",
    record: { initializationType: "on-demand", phase: "init", status: "success" },
  },
  "platform.initReport": {
    time,
    type: "platform.initReport",
    record: {
      initializationType: "on-demand",
      phase: "init",
      status: "error",
      errorType: "Runtime.ExitError",
      metrics: { durationMs: 1.23456 },
    },
  },
  "platform.start": { time, type: "platform.start", record: { requestId: "r", version: "$LATEST", tracing } },
  "platform.runtimeDone": {
    time,
    type: "platform.runtimeDone",
    record: {
      requestId: "r",
      status: "error",
      errorType: "Runtime.ExitError",
      metrics: { durationMs: 2599.4, producedBytes: 8 },
      spans: [{ name: "responseLatency", start: time, durationMs: 0.00049 }],
    },
  },
  "platform.report": {
    time,
    type: "platform.report",
    record: {
      requestId: "r",
      status: "success",
      metrics: { durationMs: 2599.4, billedDurationMs: 2599.6, memorySizeMB: 128, maxMemoryUsedMB: 37.1 },
    },
  },
  "platform.extension": {
    time,
    type: "platform.extension",
    record: { name: "x", state: "Ready", events: ["INVOKE", "SHUTDOWN"] },
  },
  "platform.telemetrySubscription": {
    time,
    type: "platform.telemetrySubscription",
    record: { name: "x", state: "Subscribed", types: ["platform"] },
  },
  "platform.logsSubscription": {
    time,
    type: "platform.logsSubscription",
    record: { name: "x", state: "Subscribed", types: ["platform"] },
  },
  "platform.logsDropped": {
    time,
    type: "platform.logsDropped",
    record: { reason: "slow", droppedRecords: 2, droppedBytes: 10 },
  },
  "platform.end": { time, type: "platform.end", record: { requestId: "r" } },
  "platform.fault": { time, type: "platform.fault", record: "RequestId: r Error: x\nRuntime.ExitError\n" },
};

const commonTypes = [
  "platform.initStart",
  "platform.initRuntimeDone",
  "platform.initReport",
  "platform.start",
  "platform.runtimeDone",
  "platform.report",
  "platform.extension",
  "platform.telemetrySubscription",
  "platform.logsDropped",
];
const logsTypes = [
  "platform.start",
  "platform.report",
  "platform.extension",
  "platform.logsSubscription",
  "platform.logsDropped",
  "platform.end",
  "platform.fault",
];
const typesOf: Record<TelemetrySchema, readonly string[]> = {
  "2022-07-01": commonTypes,
  "2022-12-13": commonTypes,
  "2025-01-29": commonTypes,
  "2020-08-15": logsTypes,
  "2021-03-18": [...logsTypes, "platform.runtimeDone"],
};

function record(event: TelemetryEvent, schema: TelemetrySchema = "2022-12-13", hasJsonLines = false): unknown {
  const encoded = encodeEvent(event, schema, hasJsonLines);
  assert.ok(encoded !== undefined && !encoded.includes("\n"));
  const parsed = JSON.parse(encoded) as { time: string; type: string; record: unknown };
  assert.deepEqual([parsed.time, parsed.type, Object.keys(parsed).length], [time, event.type, 3]);
  return parsed.record;
}

describe("encodeEvent", () => {
  for (const [schema, types] of Object.entries(typesOf) as [TelemetrySchema, readonly string[]][]) {
    it(`telemetry-api 31: schema ${schema} has the types that its clients know`, () => {
      const has = Object.values(all).filter((event) => encodeEvent(event, schema, true) !== undefined);
      assert.deepEqual(has.map(({ type }) => type).sort(), [...types].sort());
    });
  }

  it("telemetry-api 25: sizes, counts and billed durations are integers, durations have microseconds", () => {
    assert.deepEqual(record(all["platform.report"]), {
      requestId: "r",
      status: "success",
      metrics: { durationMs: 2599.4, billedDurationMs: 2600, memorySizeMB: 128, maxMemoryUsedMB: 38 },
    });
    assert.deepEqual(record(all["platform.initReport"]), {
      initializationType: "on-demand",
      phase: "init",
      status: "error",
      errorType: "Runtime.ExitError",
      metrics: { durationMs: 1.235 },
    });
  });

  it("no number turns into a null, which strict clients refuse", () => {
    const event: PlatformEvent = {
      time,
      type: "platform.initReport",
      record: {
        initializationType: "on-demand",
        phase: "init",
        status: "success",
        metrics: { durationMs: Number.NaN },
      },
    };
    assert.deepEqual((record(event) as { metrics: unknown }).metrics, { durationMs: 0 });
  });

  it("the first schema has no status in initReport", () => {
    assert.deepEqual(record(all["platform.initReport"], "2022-07-01"), {
      initializationType: "on-demand",
      phase: "init",
      metrics: { durationMs: 1.235 },
    });
  });

  it("the Logs API tells of an end with three statuses and nothing more", () => {
    assert.deepEqual(record(all["platform.runtimeDone"], "2021-03-18"), { requestId: "r", status: "failure" });
    assert.deepEqual(record(all["platform.report"], "2020-08-15"), {
      requestId: "r",
      metrics: { durationMs: 2599.4, billedDurationMs: 2600, memorySizeMB: 128, maxMemoryUsedMB: 38 },
    });
    assert.equal(record(all["platform.fault"], "2020-08-15"), "RequestId: r Error: x\nRuntime.ExitError\n");
  });

  it("telemetry-api 27: tracing is there when it was told, and absent otherwise", () => {
    assert.deepEqual((record(all["platform.start"]) as { tracing: unknown }).tracing, tracing);
    assert.ok(!("tracing" in (record(all["platform.report"]) as object)));
  });

  const lines: Record<string, { text: string; isObject: boolean }> = {
    "an object": { text: '{"level":"INFO","message":"é \\u20ac"}\n', isObject: true },
    "an object between blanks": { text: ' {"a":1e5,"b":[null,true]} \r\n', isObject: true },
    "a list": { text: "[1]\n", isObject: false },
    "a word": { text: '"a"\n', isObject: false },
    text: { text: "hello\n", isObject: false },
    "what only begins like an object": { text: "{a}\n", isObject: false },
    "half of a surrogate pair": { text: '{"a":"\\ud800"}\n', isObject: false },
    "half of a surrogate pair in a name": { text: '{"\\udc00":1}\n', isObject: false },
    "a number that no double holds": { text: '{"a":[1e999]}\n', isObject: false },
    "nesting without end": { text: `${'{"a":'.repeat(200)}1${"}".repeat(200)}\n`, isObject: false },
  };
  for (const [title, { text, isObject }] of Object.entries(lines)) {
    it(`telemetry-api 29: a line that is ${title} is ${isObject ? "an object" : "a string"} in the JSON format`, () => {
      const want: unknown = isObject ? JSON.parse(text) : text;
      assert.deepEqual(record(line(text), "2022-12-13", true), want);
      assert.deepEqual(record(line(text), "2025-01-29", true), want);
    });
    it(`telemetry-api 29: a line that is ${title} is a string everywhere else`, () => {
      for (const schema of ["2022-07-01", "2020-08-15", "2021-03-18"] as const) {
        assert.equal(record(line(text), schema, true), text);
      }
      assert.equal(record(line(text)), text);
    });
  }

  it("any text is one line of JSON that says the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const wellFormed = text.toWellFormed();
        assert.equal(record(line(wellFormed)), wellFormed);
      }),
    );
  });
});
